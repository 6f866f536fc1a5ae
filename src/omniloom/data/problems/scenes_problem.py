"""Scenes: draw them, describe them, answer about them, read about them, change them.

A picture that the user shows is jittered; one that the assistant draws is canonical, so that a drawing has one right
answer and its tokens are learned exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import HEARD_MARK, Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import is_held_out_pair, is_new_scene
from omniloom.data.problems.questions import (
    EDIT_SHARES,
    Edit,
    Question,
    choose_question,
    choose_share,
    questions_about,
    random_edit,
)
from omniloom.data.problems.templates import Templates, as_typed, pick
from omniloom.data.problems.turns import after_what_was_heard, asked, picture_reply, spoken_reply, written_reply
from omniloom.data.problems.wording import SCENE_WORDINGS, choose_language
from omniloom.data.scenes import (
    COLOURS,
    POSITIONS,
    SHAPES,
    Scene,
    SceneObject,
    describe,
    quadrant_box,
    random_scene,
    render,
)
from omniloom.data.speech.words import Language
from omniloom.stream.message import Message
from omniloom.stream.parts import Image, NamedPlace, Text

DRAW = SCENE_WORDINGS["en"].draw
IS_IT = Templates(
    "is it",
    ("is this a {what}", "do you see a {what}", "is there a {what}", "a {what}"),
    True,
)
TRUE_SHARE = 0.5
"""How often what is asked about is there."""
KEPT = {"colour": 1.0, "shape": 1.0, "neither": 1.0}
KEPT_TO_LEARN = {"colour": 3.0, "shape": 1.0, "neither": 1.0}
"""What something else has in common with what is there: most was told apart by its colour, and shapes went unheard."""
UNSAID_SHARE = 0.5
"""How often the request for one object leaves out "big", or "top left": that is what is drawn unless told otherwise."""

MORE_WRITTEN, MORE_ALOUD = 4, 2
"""Questions in training that follow the first about a scene: to find the thing that is asked for takes practice."""
MORE_TO_COMPARE = 3
"""More things in training that are asked about where one was heard and shown."""
MORE_CHANGES = 3
"""Changes in training that follow the first where they are told."""

Shares = tuple[float, float, float]
"""How often a scene has one, two and three objects."""


@problems.register("scenes")
class ScenesProblem(WeightedTasks):
    """Questions about pictures and described scenes, drawing, and changing what is drawn."""

    name = "scenes"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, and how many objects its scenes have."""

        draw_typed: float = 2.0
        draw_spoken: float = 3.0
        caption_text: float = 1.0
        caption_audio: float = 1.0
        shown_text: float = 0.3
        shown_audio: float = 0.3
        ask_text: float = 6.0
        ask_audio: float = 2.0
        ask_spoken_text: float = 5.0
        ask_spoken_audio: float = 2.5
        heard_and_shown_text: float = 4.0
        read_text: float = 5.0
        read_audio: float = 1.2
        edit_typed: float = 9.0
        edit_spoken: float = 5.0
        written_objects: Shares = (0.6, 0.3, 0.1)
        asked_objects: Shares = (0.35, 0.45, 0.2)
        spoken_objects: Shares = (0.8, 0.2, 0.0)
        edited_objects: Shares = (0.55, 0.35, 0.1)
        french: float = 0.4
        """Share of the examples that are asked and answered in French."""
        asked_on: float = 0.8
        """Share of the typed questions, in training, that more about the same scene follow."""
        told: float = 0.6
        """Share of the typed changes, in training, that are told in words and not drawn, several one after another."""

    cells: ClassVar[dict[str, str | None]] = {
        "draw_typed": "text-to-image",
        "draw_spoken": "audio-to-image",
        "caption_text": "image-to-text",
        "caption_audio": "image-to-audio",
        "shown_text": "image-to-text",
        "shown_audio": "image-to-audio",
        "ask_text": "image-to-text",
        "ask_audio": "image-to-audio",
        "ask_spoken_text": None,
        "ask_spoken_audio": None,
        "heard_and_shown_text": None,
        "read_text": "text-to-text",
        "read_audio": "text-to-audio",
        "edit_typed": "image-to-image",
        "edit_spoken": None,
    }
    inputs: ClassVar[dict[str, tuple[str, ...]]] = {
        "ask_spoken_text": ("image", "audio"),
        "ask_spoken_audio": ("image", "audio"),
        "heard_and_shown_text": ("image", "audio"),
        "edit_spoken": ("image", "audio"),
    }

    def __init__(self, config: ScenesProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _draw_typed(self, random: np.random.Generator, split: Split) -> Example:
        return self._draw("draw_typed", random, split, self.config.written_objects)

    def _draw_spoken(self, random: np.random.Generator, split: Split) -> Example:
        return self._draw("draw_spoken", random, split, self.config.spoken_objects)

    def _caption_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._caption("caption_text", random, split, self.config.written_objects)

    def _caption_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._caption("caption_audio", random, split, self.config.spoken_objects)

    def _shown_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._caption("shown_text", random, split, self.config.written_objects)

    def _shown_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._caption("shown_audio", random, split, self.config.spoken_objects)

    def _ask_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("ask_text", random, split)

    def _ask_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("ask_audio", random, split)

    def _ask_spoken_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("ask_spoken_text", random, split)

    def _ask_spoken_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("ask_spoken_audio", random, split)

    def _read_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._read("read_text", random, split)

    def _read_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._read("read_audio", random, split)

    def _edit_typed(self, random: np.random.Generator, split: Split) -> Example:
        return self._edit("edit_typed", random, split)

    def _edit_spoken(self, random: np.random.Generator, split: Split) -> Example:
        return self._edit("edit_spoken", random, split)

    def _heard_and_shown_text(self, random: np.random.Generator, split: Split) -> Example:
        """Is the one thing in the picture what somebody says? If not, what is it?"""
        item = scene_of(random, split, (1.0, 0.0, 0.0)).objects[0]
        said, seen = f"{item.colour} {item.shape}", Scene((item,))
        if random.random() < TRUE_SHARE:
            answer = "yes"
        else:
            other = _other_than(item, random, KEPT_TO_LEARN if split == "train" else KEPT)
            # Of *composed* either is of a held-out pair, what is said or what is seen.
            if split == "composed" and random.random() < 0.5:
                answer, seen = f"no {other.colour} {other.shape}", Scene((other,))
            else:
                answer, said = f"no {said}", f"{other.colour} {other.shape}"
        words, facts = IS_IT.fill(random, split, is_spoken=True, what=said)
        picture, more = shown(seen, random)
        # What is seen is written beside what was heard, for the two to be compared as words.
        there = f"{seen.objects[0].colour} {seen.objects[0].shape}"
        sound, voice = asked(words, random, split, is_spoken=True, is_question=True)
        parts = (picture, sound) if random.random() < 0.5 else (sound, picture)
        facts = [f"kind:{answer.split()[0]}", *facts, *more, *facts_of(Scene((item,))), *voice, "language:en"]
        turns = [Message("user", parts), after_what_was_heard(written_reply(answer), f"{words}, {there}")]
        if split == "train":
            for _ in range(MORE_TO_COMPARE):
                turns_on, answer, more = _compared(seen.objects[0], random)
                turns += turns_on
                facts += more
        return self.made("heard_and_shown_text", messages=turns, answer=answer, facts=facts, judged_after=HEARD_MARK)

    def _draw(self, task: str, random: np.random.Generator, split: Split, shares: Shares) -> Example:
        language = choose_language(random, self.config.french)
        scene = scene_of(random, split, shares)
        is_spoken = "spoken" in task
        brief, written = brief_request(scene, random, language), written_request(scene, random, language)
        draw = SCENE_WORDINGS[language].draw
        words, facts = draw.fill(random, split, is_spoken=is_spoken, scene=written, brief=brief)
        part, more = asked(words, random, split, is_spoken=is_spoken, is_question=False, language=language)
        facts = [*facts, *more, *facts_of(scene), f"language:{language}"]
        messages = (Message("user", (part,)), picture_reply(scene, language))
        return self.made(task, messages=messages, answer=scene, facts=facts)

    def _caption(self, task: str, random: np.random.Generator, split: Split, shares: Shares) -> Example:
        # A picture shown without a word has no language: it is described in the first one.
        language = choose_language(random, self.config.french) if task.startswith("caption") else "en"
        scene = scene_of(random, split, shares)
        picture, facts = shown(scene, random)
        parts: list[Image | Text] = [picture]
        if task.startswith("caption"):
            words, more = SCENE_WORDINGS[language].describe.fill(random, split, is_spoken=False)
            typed = as_typed(words, random, is_question=True, language=language)
            parts.insert(int(random.integers(2)), Text(typed))
            facts += more
        answer = describe(scene, language)
        facts = [*facts, f"language:{language}"]
        messages = (Message("user", tuple(parts)), _told(answer, language, is_aloud=task.endswith("audio")))
        return self.made(task, messages=messages, answer=answer, facts=facts)

    def _ask(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        wording = SCENE_WORDINGS[language]
        is_spoken = "spoken" in task
        if is_spoken and random.random() < 0.3:
            scene = scene_of(random, split, self.config.spoken_objects)
            answer, kind = describe(scene, language), "describe"
            words, facts = wording.describe.fill(random, split, is_spoken=True)
        else:
            scene = scene_of(random, split, self.config.asked_objects)
            question = question_for(scene, random, split, language)
            answer, kind = question.answer, question.kind
            words, facts = wording.questions[kind].fill(random, split, is_spoken=is_spoken, **question.values)
        picture, more = shown(scene, random)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=True, language=language)
        parts = (picture, part) if random.random() < 0.5 else (part, picture)
        reply = _told(answer, language, is_aloud=task.endswith("audio"))
        facts = [f"kind:{kind}", *facts, *more, *voice, f"language:{language}"]
        if is_spoken:
            messages = (Message("user", parts), after_what_was_heard(reply, words))
            return self.made(task, messages=messages, answer=answer, facts=facts, judged_after=HEARD_MARK)
        more_turns, more, answer = self._asked_on(task, question, scene, random, split, language)
        turns = (Message("user", parts), reply, *more_turns)
        return self.made(task, messages=turns, answer=answer, facts=[*facts, *more])

    def _asked_on(
        self,
        task: str,
        question: Question,
        scene: Scene,
        random: np.random.Generator,
        split: Split,
        language: Language,
    ) -> tuple[list[Message], list[str], str]:
        """In training, often more questions about the scene with their replies, their facts, and the last answer."""
        turns: list[Message] = []
        facts: list[str] = []
        is_aloud = task.endswith("audio")
        if split == "train" and random.random() < self.config.asked_on:
            # One thing alone is soon found.
            most = MORE_ALOUD if is_aloud or len(scene.objects) == 1 else MORE_WRITTEN
            before = [question]
            while len(before) <= most and (candidates := _not_yet_asked(scene, language, before)):
                question = choose_question(random, candidates)
                words, more = typed_words(question, random, split, language)
                typed = as_typed(words, random, is_question=True, language=language)
                turns += [Message("user", (Text(typed),)), _told(question.answer, language, is_aloud=is_aloud)]
                facts += more
                before.append(question)
        return turns, facts, question.answer

    def _read(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        scene = scene_of(random, split, self.config.asked_objects)
        question = question_for(scene, random, split, language)
        state = stated(scene, random, language)
        words, facts = typed_words(question, random, split, language)
        text = f"{state}. {as_typed(words, random, is_question=True, language=language)}"
        reply = _told(question.answer, language, is_aloud=task.endswith("audio"))
        facts = [f"kind:{question.kind}", *facts, *facts_of(scene), f"language:{language}"]
        more_turns, more, answer = self._asked_on(task, question, scene, random, split, language)
        messages = (Message("user", (Text(text),)), reply, *more_turns)
        return self.made(task, messages=messages, answer=answer, facts=[*facts, *more])

    def _edit(self, task: str, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        scene, edit = edit_for(random, split, self.config.edited_objects, language)
        is_spoken = "spoken" in task
        if split == "train" and not is_spoken and random.random() < self.config.told:
            return self._changes_told(task, scene, edit, random, language)
        templates = SCENE_WORDINGS[language].edits[edit.kind]
        words, facts = templates.fill(random, split, is_spoken=is_spoken, **edit.values)
        picture, more = shown(scene, random)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=False, language=language)
        parts = (picture, part) if random.random() < 0.5 else (part, picture)
        facts = [f"kind:{edit.kind}", *facts, *more, *voice, f"language:{language}"]
        facts += facts_of(edit.after) if split != "new" else []
        reply = picture_reply(edit.after, language)
        messages = (Message("user", parts), after_what_was_heard(reply, words) if is_spoken else reply)
        return self.made(task, messages=messages, answer=edit.after, facts=facts)

    def _changes_told(
        self, task: str, scene: Scene, edit: Edit, random: np.random.Generator, language: Language
    ) -> Example:
        """Changes of a picture, one after another, each told in words: what changes is learned from the words alone."""
        picture, facts = shown(scene, random)
        edits = [edit]
        for _ in range(MORE_CHANGES):
            edits.append(further_edit(edits[-1].after, random, language))
        turns: list[Message] = []
        for place, edit in enumerate(edits):
            templates = SCENE_WORDINGS[language].edits[edit.kind]
            words, more = templates.fill(random, "train", is_spoken=False, **edit.values)
            request = Text(as_typed(words, random, is_question=False, language=language))
            parts = (request,) if place else (picture, request)
            after = edit.after
            turns += [Message("user", parts), written_reply(describe(after, language))]
            facts += [f"kind:{edit.kind}", *more, *facts_of(after)]
        return self.made(task, messages=turns, answer=describe(after, language), facts=[*facts, f"language:{language}"])


def _told(answer: str, language: Language, *, is_aloud: bool) -> Message:
    return spoken_reply(answer, language) if is_aloud else written_reply(answer)


def _compared(seen: SceneObject, random: np.random.Generator) -> tuple[list[Message], str, list[str]]:
    """A typed question whether something is what is seen, its reply and answer, and the facts of it."""
    is_true = random.random() < TRUE_SHARE
    asked_for = seen if is_true else _other_than(seen, random, KEPT_TO_LEARN)
    answer = "yes" if is_true else f"no {seen.colour} {seen.shape}"
    words, facts = IS_IT.fill(random, "train", is_spoken=False, what=f"{asked_for.colour} {asked_for.shape}")
    question = Text(as_typed(words, random, is_question=True))
    return [Message("user", (question,)), written_reply(answer)], answer, facts


def _other_than(item: SceneObject, random: np.random.Generator, shares: dict[str, float]) -> SceneObject:
    """The object in another colour, another shape or both, of no held-out pair; the shares say what is kept."""
    while True:
        kept = choose_share(random, shares)
        other = replace(
            item,
            colour=item.colour if kept == "colour" else pick(random, COLOURS),
            shape=item.shape if kept == "shape" else pick(random, SHAPES),
        )
        if other != item and not is_held_out_pair(other.colour, other.shape):
            return other


def scene_of(random: np.random.Generator, split: Split, shares: Shares) -> Scene:
    """A scene of the split: of *composed*, one object of a held-out pair; of *new*, a whole unlike any in training."""
    num_objects = 1 + int(random.choice(3, p=np.array(shares) / sum(shares)))
    while True:
        scene = random_scene(random, num_objects=num_objects, pairs="composed" if split == "composed" else "train")
        if split == "composed" or num_objects == 1 or is_new_scene(describe(scene)) == (split == "new"):
            return scene


def question_for(scene: Scene, random: np.random.Generator, split: Split, language: Language = "en") -> Question:
    """A question about the scene; of *composed*, one that turns on the held-out pair."""
    candidates = questions_about(scene, language)
    if split == "composed":
        candidates = [
            question
            for question in candidates
            if question.about and is_held_out_pair(question.about.colour, question.about.shape)
        ]
    return choose_question(random, candidates)


def typed_words(
    question: Question, random: np.random.Generator, split: Split, language: Language
) -> tuple[str, list[str]]:
    """The words a question is typed in, and their facts."""
    templates = SCENE_WORDINGS[language].questions[question.kind]
    return templates.fill(random, split, is_spoken=False, **question.values)


def _not_yet_asked(scene: Scene, language: Language, before: Sequence[Question]) -> list[Question]:
    asked = [(question.kind, question.about) for question in before]
    return [question for question in questions_about(scene, language) if (question.kind, question.about) not in asked]


def edit_for(
    random: np.random.Generator, split: Split, shares: Shares, language: Language = "en"
) -> tuple[Scene, Edit]:
    """A scene and a change of it; of *composed*, one that leaves or makes an object of a held-out pair."""
    kind = choose_share(random, EDIT_SHARES)
    while True:
        # A change can make the held-out pair or handle an object that has it: half of each.
        makes_pair = split == "composed" and bool(random.integers(2))
        scene = scene_of(random, "train" if makes_pair else split, shares)
        edit = random_edit(random, scene, kind, language)
        if edit is None:
            continue
        has_pair = any(is_held_out_pair(item.colour, item.shape) for item in edit.after.objects)
        if split == "composed":
            if edit.made and is_held_out_pair(edit.made.colour, edit.made.shape):
                return scene, edit
        elif not has_pair and (split == "new" or not is_new_scene(describe(edit.after))):
            return scene, edit


def further_edit(scene: Scene, random: np.random.Generator, language: Language) -> Edit:
    """A change of a scene in training, into another of training."""
    while True:
        edit = random_edit(random, scene, choose_share(random, EDIT_SHARES), language)
        if (
            edit is not None
            and not any(is_held_out_pair(item.colour, item.shape) for item in edit.after.objects)
            and not is_new_scene(describe(edit.after))
        ):
            return edit


def written_request(scene: Scene, random: np.random.Generator, language: Language = "en") -> str:
    """What to draw, in a sentence; defaults may go unsaid where there is one object."""
    wording = SCENE_WORDINGS[language]
    named = []
    for item in scene.objects:
        size, position = _said(scene, item, random)
        place = pick(random, wording.places).format(position=wording.position(position)) if position else ""
        named.append(wording.noun(item, size=size, place=place))
    return wording.joined(named)


def brief_request(scene: Scene, random: np.random.Generator, language: Language = "en") -> str:
    """What to draw, in the words of a description; defaults may go unsaid where there is one object."""
    wording = SCENE_WORDINGS[language]
    named = []
    for item in scene.objects:
        size, position = _said(scene, item, random)
        named.append(wording.brief(item, size=size, position=position))
    return wording.brief_request(scene.objects[0], wording.joined(named))


def _said(scene: Scene, item: SceneObject, random: np.random.Generator) -> tuple[str, str]:
    """Size and position, each empty where it goes unsaid."""
    unsaid = random.random(2) < UNSAID_SHARE
    is_alone = len(scene.objects) == 1
    size = "" if is_alone and item.size == "big" and unsaid[0] else item.size
    position = "" if is_alone and item.position == POSITIONS[0] and unsaid[1] else item.position
    return size, position


def stated(scene: Scene, random: np.random.Generator, language: Language) -> str:
    """The scene as a user tells what it is, without the mark at the end."""
    wording = SCENE_WORDINGS[language]
    state = pick(random, wording.statements).format(scene=wording.written_scene(scene))
    return as_typed(state, random, is_question=False, language=language).rstrip(".!")


def shown(scene: Scene, random: np.random.Generator) -> tuple[Image, list[str]]:
    """The picture as a user shows it, and its facts."""
    picture = replace(render(scene, jitter=random), named=tuple(map(_named, scene.objects)))
    digest = sha256(picture.pixels.numpy().tobytes()).hexdigest()[:16]
    return picture, [f"rendering:{digest}", *facts_of(scene)]


def _named(item: SceneObject) -> NamedPlace:
    return NamedPlace((item.shape, item.colour, item.size), quadrant_box(item.position))


def facts_of(scene: Scene) -> list[str]:
    """The scene's pairs and, where it has several objects, the scene itself."""
    pairs: Sequence[str] = [f"pair:{item.colour} {item.shape}" for item in scene.objects]
    return [*pairs, *([f"scene:{describe(scene)}"] if len(scene.objects) > 1 else [])]
