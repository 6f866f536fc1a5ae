"""Requests with a pause in them: what the end of a turn is measured on.

The voices, wordings and scenes are those of a split. Each has exactly one pause, where nothing whole was said yet, so
whoever takes the turn in it cuts in. `speech_end_s` of the sound is the true end.
"""

from __future__ import annotations

import numpy as np

from omniloom.core.randomness import generator
from omniloom.data.problems.base import Split
from omniloom.data.problems.scenes_problem import brief_request, edit_for, question_for, scene_of
from omniloom.data.problems.sums import SUM, operands_of
from omniloom.data.problems.turns import aloud
from omniloom.data.problems.wording import SCENE_WORDINGS
from omniloom.data.speech.words import Language, number_words
from omniloom.stream.parts import Audio

NUM_OBJECTS = (0.6, 0.4, 0.0)
SUM_SHARE = 0.2
"""Of the English ones; nobody is asked for sums in French."""


def paused_utterance(split: Split, index: int, language: Language = "en") -> Audio:
    """The paused request at an index: 0.3 to 1.0 s of quiet in an open place, and `speech_end_s`."""
    return utterance(split, index, language, is_paused=True)


def utterance(split: Split, index: int, language: Language = "en", *, is_paused: bool) -> Audio:
    """A request with or without a pause in it; those without a place for one are left out where it has to have one."""
    random = generator("utterance", split, language, index)
    while True:
        words = request(random, split, language)
        sound, facts = aloud(words, random, split, language, paused_share=float(is_paused))
        if not is_paused or any(fact.startswith("pause:") for fact in facts):
            return sound


def request(random: np.random.Generator, split: Split, language: Language) -> str:
    """What a user says: something to draw, to answer, to change or to work out."""
    wording = SCENE_WORDINGS[language]
    kind = random.random()
    if language == "en" and kind < SUM_SHARE:
        first, operation, second = operands_of(random, split)
        written = f"{number_words(first)} {operation} {number_words(second)}"
        return SUM.fill(random, split, is_spoken=True, sum=written)[0]
    if kind < 0.5:
        scene = scene_of(random, split, NUM_OBJECTS)
        return wording.draw.fill(random, split, is_spoken=True, brief=brief_request(scene, random, language))[0]
    if kind < 0.75:
        question = question_for(scene_of(random, split, NUM_OBJECTS), random, split, language)
        return wording.questions[question.kind].fill(random, split, is_spoken=True, **question.values)[0]
    _, edit = edit_for(random, split, NUM_OBJECTS, language)
    return wording.edits[edit.kind].fill(random, split, is_spoken=True, **edit.values)[0]
