"""Several turns: change what was drawn, ask on, interrupt; and one reply that is both said and drawn.

The last reply is scored; those before it are learned too. What the last turn asks cannot be answered without the turns
before it, nor those turns alone tell what will be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import HEARD_MARK, HISTORY, Example, Split, WeightedTasks, problems
from omniloom.data.problems.dialogues.interruption import cut_somewhere
from omniloom.data.problems.dialogues.references import Reference, further_reference, reference_for, told_of
from omniloom.data.problems.dialogues.wording import AGAIN, CHANGES, CHANGES_OF_IT, GO_ON, MORE
from omniloom.data.problems.holdout import is_held_out_pair
from omniloom.data.problems.questions import (
    DESCRIBE,
    EDIT_SHARES,
    EDITS,
    QUESTIONS,
    Edit,
    choose_share,
    random_edit,
)
from omniloom.data.problems.scenes_problem import (
    DRAW,
    MORE_WRITTEN,
    Shares,
    brief_request,
    edit_for,
    facts_of,
    question_for,
    scene_of,
    shown,
    written_request,
)
from omniloom.data.problems.templates import Templates, as_typed
from omniloom.data.problems.turns import after_what_was_heard, aloud, asked, picture_reply, spoken_reply, written_reply
from omniloom.data.scenes import Scene, describe
from omniloom.stream.message import Message
from omniloom.stream.parts import Part, Text

SAY_AND_DRAW = Templates(
    "say and draw",
    (
        "draw {scene} and say it",
        "draw {scene} and say what it is",
        "say and draw {scene}",
        "paint {scene} and tell me what it is",
    ),
    False,
)
SHOWN_SHARE = 0.35
"""How often the first picture is the user's own, which is changed, and changed again."""
FIRST_SPOKEN_SHARE = 0.3
"""How often the first request is spoken too, where the second is."""
PROPERTIES = {"recolour": "colour", "reshape": "shape", "resize": "size", "move": "position"}
"""What each kind of change that can be undone changes."""
LONGEST_BEGINNING = 6
"""Words that may have begun when a reply is cut off; what is said twice has to fit a row."""
INTERRUPTIONS = {"go on": 0.25, "again": 0.15, "question": 0.6}
"""Mostly something that the turn before does not tell: to go on is right without having listened."""


@problems.register("dialogues")
class DialoguesProblem(WeightedTasks):
    """Two turns about one picture, or more."""

    name = "dialogues"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, and how many objects its scenes have."""

        follow_up_image: float = 1.5
        follow_up_spoken: float = 3.0
        follow_up_question_text: float = 1.5
        follow_up_question_audio: float = 1.0
        interrupted: float = 1.2
        said_and_drawn: float = 0.8
        drawn_objects: Shares = (0.7, 0.3, 0.0)
        asked_objects: Shares = (0.25, 0.55, 0.2)
        spoken_objects: Shares = (0.75, 0.25, 0.0)

    cells: ClassVar[dict[str, str | None]] = {
        "follow_up_image": None,
        "follow_up_spoken": None,
        "follow_up_question_text": None,
        "follow_up_question_audio": None,
        "interrupted": None,
        "said_and_drawn": None,
    }
    inputs: ClassVar[dict[str, tuple[str, ...]]] = {
        "follow_up_image": ("text", HISTORY),
        "follow_up_spoken": ("audio", HISTORY),
        "follow_up_question_text": ("text", HISTORY),
        "follow_up_question_audio": ("text", HISTORY),
        "interrupted": ("audio", HISTORY),
        "said_and_drawn": ("text",),
    }

    def __init__(self, config: DialoguesProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _follow_up_image(self, random: np.random.Generator, split: Split) -> Example:
        return self._follow_up("follow_up_image", random, split)

    def _follow_up_spoken(self, random: np.random.Generator, split: Split) -> Example:
        return self._follow_up("follow_up_spoken", random, split)

    def _follow_up_question_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._follow_up_question("follow_up_question_text", random, split)

    def _follow_up_question_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._follow_up_question("follow_up_question_audio", random, split)

    def _follow_up(self, task: str, random: np.random.Generator, split: Split) -> Example:
        is_spoken = task == "follow_up_spoken"
        scene, edit = edit_for(random, split, self.config.drawn_objects)
        earlier = _change_into(scene, random) if random.random() < SHOWN_SHARE else None
        if earlier is None:
            # Two objects named aloud, twice, would not fit a row.
            is_first_spoken = is_spoken and len(scene.objects) == 1 and random.random() < FIRST_SPOKEN_SHARE
            messages, facts = _drawn(scene, random, split, is_first_spoken)
        else:
            messages, facts = _shown_and_changed(*earlier, random, split)
        words, wording = _changed(scene, edit).fill(random, split, is_spoken=is_spoken, **_values(edit))
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=False)
        reply = picture_reply(edit.after)
        messages += [Message("user", (part,)), after_what_was_heard(reply, words) if is_spoken else reply]
        facts += [f"kind:{edit.kind}", *wording, *voice, *(facts_of(edit.after) if split != "new" else [])]
        return self.made(task, messages=messages, answer=edit.after, facts=facts)

    def _follow_up_question(self, task: str, random: np.random.Generator, split: Split) -> Example:
        found = None
        while found is None:
            scene = scene_of(random, split, self.config.asked_objects)
            found = reference_for(scene, random, split)
        reply = spoken_reply if task.endswith("audio") else written_reply
        picture, facts = shown(scene, random)
        words, wording = QUESTIONS[found.first.kind].fill(random, split, is_spoken=False, **found.first.values)
        question = Text(as_typed(words, random, is_question=True))
        parts: tuple[Part, ...] = (picture, question) if random.random() < 0.5 else (question, picture)
        messages = [Message("user", parts), reply(found.first.answer)]
        facts = [f"kind:{found.templates.family}", *facts, *wording]
        assert found.first.about is not None
        told = told_of(found.first.about, (*found.first.values.values(), found.first.answer))
        num_left = MORE_WRITTEN if split == "train" and not task.endswith("audio") else 1
        leaning: Reference | None = found
        while leaning is not None and num_left:
            again, more = leaning.templates.fill(random, split, is_spoken=False, **leaning.values)
            answer = leaning.answer
            messages += [Message("user", (Text(as_typed(again, random, is_question=True)),)), reply(answer)]
            facts += more
            told |= told_of(leaning.about, (*leaning.values.values(), answer))
            num_left -= 1
            leaning = further_reference(scene, leaning, told, random) if num_left else None
        return self.made(task, messages=messages, answer=answer, facts=facts)

    def _interrupted(self, random: np.random.Generator, split: Split) -> Example:
        scene = scene_of(random, split, self.config.spoken_objects)
        picture, facts = shown(scene, random)
        parts: list[Part] = [picture]
        if random.random() < 0.5:
            words, more = DESCRIBE.fill(random, split, is_spoken=False)
            parts.append(Text(as_typed(words, random, is_question=True)))
            facts += more
        said = describe(scene).split()
        most_words = len(said) - 1 if split != "composed" else _words_before_pair(said)
        begun, num_words = cut_somewhere(
            spoken_reply(describe(scene)), random, most_words=min(most_words, LONGEST_BEGINNING)
        )
        kind = choose_share(random, INTERRUPTIONS)
        if kind == "question":
            question = question_for(scene, random, split)
            answer, kind = question.answer, question.kind
            words, more = QUESTIONS[question.kind].fill(random, split, is_spoken=True, **question.values)
        else:
            answer = " ".join(said[num_words - 1 :] if kind == "go on" else said)
            words, more = (GO_ON if kind == "go on" else AGAIN).fill(random, split, is_spoken=True)
        sound, voice = aloud(words, random, split)
        reply = after_what_was_heard(spoken_reply(answer), words)
        messages = (Message("user", tuple(parts)), begun, Message("user", (sound,)), reply)
        facts = [f"kind:{kind}", *facts, *more, *voice]
        return self.made("interrupted", messages=messages, answer=answer, facts=facts, judged_after=HEARD_MARK)

    def _said_and_drawn(self, random: np.random.Generator, split: Split) -> Example:
        scene = scene_of(random, split, self.config.spoken_objects)
        words, facts = SAY_AND_DRAW.fill(random, split, is_spoken=False, scene=written_request(scene, random))
        drawing = picture_reply(scene).parts[-1]
        reply = Message("assistant", (*spoken_reply(describe(scene)).parts, drawing))
        messages = (Message("user", (Text(as_typed(words, random, is_question=False)),)), reply)
        return self.made("said_and_drawn", messages=messages, answer=scene, facts=[*facts, *facts_of(scene)])


def _drawn(scene: Scene, random: np.random.Generator, split: Split, is_spoken: bool) -> tuple[list[Message], list[str]]:
    """A scene asked for and drawn."""
    written, brief = written_request(scene, random), brief_request(scene, random)
    words, facts = DRAW.fill(random, split, is_spoken=is_spoken, scene=written, brief=brief)
    part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=False)
    return [Message("user", (part,)), picture_reply(scene)], [*facts, *voice, *facts_of(scene)]


def _shown_and_changed(
    before: Scene, edit: Edit, random: np.random.Generator, split: Split
) -> tuple[list[Message], list[str]]:
    """A picture shown and changed."""
    words, wording = EDITS[edit.kind].fill(random, split, is_spoken=False, **edit.values)
    picture, facts = shown(before, random)
    parts = (picture, Text(as_typed(words, random, is_question=False)))
    return [Message("user", parts), picture_reply(edit.after)], [*facts, *wording, *facts_of(edit.after)]


def _change_into(scene: Scene, random: np.random.Generator) -> tuple[Scene, Edit] | None:
    """Another scene of one object and the change that makes it this one; None where there is more than one."""
    if len(scene.objects) > 1:
        return None
    while True:
        kind = choose_share(random, {kind: EDIT_SHARES[kind] for kind in PROPERTIES})
        there = random_edit(random, scene, kind)
        if there is None or any(is_held_out_pair(item.colour, item.shape) for item in there.after.objects):
            continue
        values = {"what": "it", PROPERTIES[kind]: getattr(scene.objects[0], PROPERTIES[kind])}
        return there.after, Edit(kind=kind, values=values, after=scene, made=scene.objects[0])


def _changed(scene: Scene, edit: Edit) -> Templates:
    return (CHANGES_OF_IT if len(scene.objects) == 1 else CHANGES)[edit.kind]


def _values(edit: Edit) -> dict[str, str]:
    more = {"more": MORE[edit.values["size"]]} if "size" in edit.values else {}
    return edit.values | more


def _words_before_pair(said: list[str]) -> int:
    """How many words may have begun so that what is left still names the last held-out pair."""
    return 1 + max(place for place, pair in enumerate(pairwise(said)) if is_held_out_pair(*pair))
