"""Unknown things in every form, and the honest answer to them.

Each form of question has known counterparts in other problems with the same openers, lengths and voices, so that what
is refused is refused for what it asks. A question about a thing that is not in the picture counts as unknown too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import numpy as np
import torch

from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.digits import WHICH_DIGIT
from omniloom.data.problems.scenes_problem import facts_of, question_for, scene_of, shown, stated, typed_words
from omniloom.data.problems.score import EMPTY_SHEET
from omniloom.data.problems.templates import Templates, as_typed, pick
from omniloom.data.problems.turns import aloud, spoken_reply, written_reply
from omniloom.data.problems.unknown.answer import HONEST_ANSWERS, empty_reply
from omniloom.data.problems.unknown.gibberish import gibberish, gibberish_to_draw
from omniloom.data.problems.unknown.pictures import odd_look, odd_picture
from omniloom.data.problems.unknown.sounds import odd_sound
from omniloom.data.problems.unknown.topics import ABOUT_PICTURES, DRAWINGS, TOPICS
from omniloom.data.problems.unknown.topics_french import FRENCH_ABOUT_PICTURES, FRENCH_DRAWINGS, FRENCH_TOPICS
from omniloom.data.problems.unknown.wording import Asked, Topic, ask
from omniloom.data.problems.wording import PHRASE_WORDINGS, SCENE_WORDINGS, choose_language
from omniloom.data.problems.wording.base import CalledBy
from omniloom.data.scenes import COLOURS, HELD_OUT_PAIRS, POSITIONS, SHAPES, SIZES, Scene, SceneObject
from omniloom.data.speech.words import Language
from omniloom.stream.message import Message
from omniloom.stream.parts import Part, Text, Video

Topics = Mapping[Language, tuple[Topic, ...]]
QUESTIONS: Topics = {"en": TOPICS, "fr": FRENCH_TOPICS}
REQUESTS: Topics = {"en": DRAWINGS, "fr": FRENCH_DRAWINGS}
REMARKS: Topics = {"en": ABOUT_PICTURES, "fr": FRENCH_ABOUT_PICTURES}
"""What is asked about a picture that no picture tells."""

GIBBERISH_SHARE = 0.15
"""Of what is asked in English, and of what is to be drawn in either language."""
GIBBERISH_DRAWN_SHARE = 0.5
"""The same of what is to be drawn in training: hardly a word of it is met twice, and what is known is met again."""
ALONE_SHARE = 0.4
"""How often a sound or a picture comes without a question."""
ABSENT_SHARE = 0.6
"""Of questions about a picture, how many are about a thing that is not in it, and not about what no picture tells."""
AMONG_KNOWN_SHARE = 0.8
"""How often, in training, such a question is among several about one scene, some of which have an answer."""
NUM_AMONG = 5
KNOWN_SHARE = 0.5
"""Of the others, how many have an answer."""
ABSENT_AMONG_SHARE = 0.85
"""Of those that have none, how many are about a thing that is absent."""
TOLD_SHARE = 0.4
"""How often that scene is told and not shown."""
FILM_FPS = 5.0
FILM_FRAMES = (3, 8)
FILM_SIDE = 32


@problems.register("unknown")
class UnknownProblem(WeightedTasks):
    """Questions from outside the world, sounds without speech, pictures of nothing known."""

    name = "unknown"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, and how much of it is in French."""

        unknown_text: float = 1.25
        unknown_typed_audio: float = 0.5
        unknown_spoken_text: float = 0.625
        unknown_spoken_audio: float = 0.75
        unknown_sound_text: float = 0.25
        unknown_sound_audio: float = 0.25
        unknown_image_text: float = 0.375
        unknown_image_audio: float = 0.25
        unknown_about_text: float = 0.8
        unknown_about_audio: float = 0.4
        unknown_film_text: float = 0.25
        unknown_drawing: float = 1.2
        unknown_spoken_drawing: float = 0.8
        french: float = 0.2

    group: ClassVar[str | None] = "unknown"
    cells: ClassVar[dict[str, str | None]] = {
        "unknown_text": None,
        "unknown_typed_audio": None,
        "unknown_spoken_text": None,
        "unknown_spoken_audio": None,
        "unknown_sound_text": None,
        "unknown_sound_audio": None,
        "unknown_image_text": None,
        "unknown_image_audio": None,
        "unknown_about_text": None,
        "unknown_about_audio": None,
        "unknown_film_text": None,
        "unknown_drawing": None,
        "unknown_spoken_drawing": None,
    }

    def __init__(self, config: UnknownProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _unknown_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._asked("unknown_text", random, split)

    def _unknown_typed_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._asked("unknown_typed_audio", random, split)

    def _unknown_spoken_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._asked("unknown_spoken_text", random, split)

    def _unknown_spoken_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._asked("unknown_spoken_audio", random, split)

    def _unknown_sound_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._sound("unknown_sound_text", random, split)

    def _unknown_sound_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._sound("unknown_sound_audio", random, split)

    def _unknown_image_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._picture("unknown_image_text", random, split)

    def _unknown_image_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._picture("unknown_image_audio", random, split)

    def _unknown_about_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._about("unknown_about_text", random, split)

    def _unknown_about_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._about("unknown_about_audio", random, split)

    def _unknown_drawing(self, random: np.random.Generator, split: Split) -> Example:
        return self._drawing("unknown_drawing", random, split)

    def _unknown_spoken_drawing(self, random: np.random.Generator, split: Split) -> Example:
        return self._drawing("unknown_spoken_drawing", random, split)

    def _asked(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        is_spoken = "spoken" in task
        if language == "en" and random.random() < GIBBERISH_SHARE:
            asked = gibberish(random, split, is_spoken=is_spoken)
        else:
            asked = ask(QUESTIONS[language], random, split, is_spoken=is_spoken)
        part, voice = _given(asked, random, split, language, is_spoken=is_spoken)
        return self._answered(task, [part], [*asked.facts, *voice], language)

    def _sound(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        sound, facts = odd_sound(random, split)
        choices = (PHRASE_WORDINGS[language].transcribe, *((WHICH_DIGIT,) if language == "en" else ()))
        question, more = _maybe_asked(choices, random, split)
        return self._answered(task, [*question, sound], [*facts, *more], language if question else "en")

    def _picture(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        picture, facts = odd_picture(random, split)
        wording = SCENE_WORDINGS[language]
        question, more = _maybe_asked((wording.describe, wording.questions["count"]), random, split)
        parts = _in_any_order([picture, *question], random)
        return self._answered(task, parts, [*facts, *more], language if question else "en")

    def _about(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        scene = scene_of(random, split, (0.4, 0.4, 0.2))
        if split == "train" and task.endswith("text") and random.random() < AMONG_KNOWN_SHARE:
            return self._among_known(task, scene, random, language)
        picture, facts = shown(scene, random)
        asked = _about_scene(scene, random, split, language)
        part, _ = _given(asked, random, split, language, is_spoken=False)
        return self._answered(task, _in_any_order([picture, part], random), [*asked.facts, *facts], language)

    def _among_known(self, task: str, scene: Scene, random: np.random.Generator, language: Language) -> Example:
        """Questions about a scene that is shown or told, with an answer or without; at least one is without.

        Side by side, most differ in nothing but whether the thing is there.
        """
        if random.random() < TOLD_SHARE:
            picture, facts, state = None, facts_of(scene), f"{stated(scene, random, language)}. "
        else:
            (picture, facts), state = shown(scene, random), ""
        turns: list[Message] = []
        unknown_place = int(random.integers(NUM_AMONG))
        for place in range(NUM_AMONG):
            if place != unknown_place and random.random() < KNOWN_SHARE:
                question = question_for(scene, random, "train", language)
                words, more = typed_words(question, random, "train", language)
                answer, is_question = question.answer, True
            else:
                asked = _about_scene(scene, random, "train", language, ABSENT_AMONG_SHARE)
                words, is_question, more, answer = asked.words, asked.is_question, asked.facts, HONEST_ANSWERS[language]
            typed = Text(as_typed(words, random, is_question=is_question, language=language))
            parts: list[Part] = [typed]
            if place == 0:
                parts = _in_any_order([picture, typed], random) if picture else [Text(f"{state}{typed.text}")]
            turns += [Message("user", tuple(parts)), written_reply(answer)]
            facts = [*facts, *more]
        return self.made(task, messages=turns, answer=answer, facts=[*facts, f"language:{language}"])

    def _unknown_film_text(self, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        look, fact = odd_look(random, split)
        num_frames = int(random.integers(FILM_FRAMES[0], FILM_FRAMES[1] + 1))
        frames = np.stack([look(random)[::2, ::2] for _ in range(num_frames)])
        assert frames.shape[1:3] == (FILM_SIDE, FILM_SIDE)
        film = Video(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(), FILM_FPS)
        question, more = _maybe_asked((SCENE_WORDINGS[language].describe,), random, split)
        rendering = f"rendering:{sha256(frames.tobytes()).hexdigest()[:16]}"
        facts = [fact, rendering, *more]
        return self._answered("unknown_film_text", [film, *question], facts, language if question else "en")

    def _drawing(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        is_spoken = "spoken" in task
        if random.random() < (GIBBERISH_DRAWN_SHARE if split == "train" else GIBBERISH_SHARE):
            asked = gibberish_to_draw(random, split, language, is_spoken=is_spoken)
        else:
            asked = ask(REQUESTS[language], random, split, is_spoken=is_spoken)
        part, voice = _given(asked, random, split, language, is_spoken=is_spoken)
        messages = (Message("user", (part,)), empty_reply(language))
        facts = [*asked.facts, *voice, f"language:{language}"]
        return self.made(task, messages=messages, answer=EMPTY_SHEET, facts=facts)

    def _answered(self, task: str, parts: Sequence[Part], facts: Sequence[str], language: Language) -> Example:
        answer = HONEST_ANSWERS[language]
        reply = spoken_reply(answer, language) if task.endswith("audio") else written_reply(answer)
        messages = (Message("user", tuple(parts)), reply)
        return self.made(task, messages=messages, answer=answer, facts=[*facts, f"language:{language}"])


def _given(
    asked: Asked, random: np.random.Generator, split: Split, language: Language, *, is_spoken: bool
) -> tuple[Part, list[str]]:
    if is_spoken:
        return aloud(asked.words, random, split, language)
    return Text(as_typed(asked.words, random, is_question=asked.is_question, language=language)), []


def _maybe_asked(
    choices: Sequence[Templates], random: np.random.Generator, split: Split
) -> tuple[list[Part], list[str]]:
    """A typed question that something known would have an answer to, or none."""
    if random.random() < ALONE_SHARE:
        return [], []
    templates = pick(random, choices)
    words, facts = templates.fill(random, split, is_spoken=False)
    return [Text(as_typed(words, random, is_question=True, language=templates.language))], facts


def _in_any_order(parts: list[Part], random: np.random.Generator) -> list[Part]:
    return parts if random.random() < 0.5 else parts[::-1]


def _about_scene(
    scene: Scene, random: np.random.Generator, split: Split, language: Language, absent: float = ABSENT_SHARE
) -> Asked:
    """A question that this scene has no answer to; a share is about what is absent."""
    if random.random() < absent:
        return _absent(scene, random, split, language)
    return ask(REMARKS[language], random, split, is_spoken=False)


ABSENT: dict[str, CalledBy] = {"colour": "shape", "shape": "colour", "where": "name", "size": "name"}
"""What is asked of an absent thing, and what it is called by: of that, the picture shows nothing."""


def _absent(scene: Scene, random: np.random.Generator, split: Split, language: Language) -> Asked:
    """A question about something that is not in the scene."""
    kind = pick(random, sorted(ABSENT))
    here = scene.objects
    while True:
        item = SceneObject(
            shape=pick(random, SHAPES), colour=pick(random, COLOURS), size=pick(random, SIZES), position=POSITIONS[0]
        )
        is_there = {
            "shape": item.shape in [other.shape for other in here],
            "colour": item.colour in [other.colour for other in here],
            "name": (item.colour, item.shape) in [(other.colour, other.shape) for other in here],
        }[ABSENT[kind]]
        if not is_there and (item.colour, item.shape) not in HELD_OUT_PAIRS:
            break
    wording = SCENE_WORDINGS[language]
    values = wording.asking(kind, item, ABSENT[kind])
    words, facts = wording.questions[kind].fill(random, split, is_spoken=False, **values)
    return Asked(words, True, [f"kind:absent {kind}", *facts])
