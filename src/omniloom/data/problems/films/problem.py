"""Films: say what moves where, answer about it, say what sounds and in which order, draw how it ends.

A film in which nothing moves is asked about in the same words as the others. Where a film has sound and the question is
about what moves, the sound means nothing, and the other way round, so neither can stand in for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, TypeVar

import numpy as np

from omniloom.data.clip_sounds import SOUNDS
from omniloom.data.clips import Clip, describe_clip, film, random_clip
from omniloom.data.problems.base import HEARD_MARK, Example, Split, WeightedTasks, problems
from omniloom.data.problems.films.questions import (
    DRAW_END,
    HAPPENS,
    HEARD,
    QUESTIONS,
    choose_question,
    questions_about,
    what_happens,
    what_sounds,
)
from omniloom.data.problems.holdout import NEW_SCENES, fraction, is_held_out_pair, is_new_scene
from omniloom.data.problems.scenes_problem import facts_of as facts_of_scene
from omniloom.data.problems.templates import Templates, pick
from omniloom.data.problems.turns import after_what_was_heard, asked, picture_reply, spoken_reply, written_reply
from omniloom.data.scenes import Pairs, Scene, describe
from omniloom.stream.message import Message
from omniloom.stream.parts import Part

T = TypeVar("T")

HELD_OUT_ORDERS = (("bell", "drum"), ("whistle", "beep"))
"""Two sounds that never follow each other in training, in this order."""

LANGUAGE = "language:en"
STILL_SHARE = 0.1
"""How often nothing moves where the question would be answered aloud, or is spoken; of text that is a task."""

SPOKEN_SHARES = (0.25, 0.5, 0.25)
"""How often a spoken question is about what happens, about the thing that moves, and about what sounds; so spread that
another example's question is seldom the same one."""

Shares = tuple[float, float]
"""How often there is one, and two."""


@problems.register("films")
class FilmsProblem(WeightedTasks):
    """Questions about films, and drawings of their end."""

    name = "films"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, how many objects films show, and what sounds in them."""

        film_text: float = 2.0
        film_audio: float = 1.2
        film_still: float = 0.3
        film_what_text: float = 1.2
        film_what_audio: float = 0.6
        film_sound_text: float = 1.5
        film_sound_audio: float = 0.6
        film_image: float = 2.0
        film_spoken_text: float = 1.0
        film_spoken_audio: float = 0.7
        objects: Shares = (0.5, 0.5)
        sounds: Shares = (0.4, 0.6)
        sound_share: float = 0.25
        """How often a film has sound that is not asked about."""

    cells: ClassVar[dict[str, str | None]] = {
        "film_text": "video-to-text",
        "film_audio": "video-to-audio",
        "film_still": "video-to-text",
        "film_what_text": "video-to-text",
        "film_what_audio": "video-to-audio",
        "film_sound_text": "video-to-text",
        "film_sound_audio": "video-to-audio",
        "film_image": "video-to-image",
        "film_spoken_text": None,
        "film_spoken_audio": None,
    }
    inputs: ClassVar[dict[str, tuple[str, str]]] = {
        "film_spoken_text": ("video", "audio"),
        "film_spoken_audio": ("video", "audio"),
    }

    def __init__(self, config: FilmsProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _film_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._happens("film_text", random, split, is_still=False)

    def _film_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._happens("film_audio", random, split, is_still=_is_still(random, split))

    def _film_still(self, random: np.random.Generator, split: Split) -> Example:
        return self._happens("film_still", random, split, is_still=True)

    def _film_what_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._what("film_what_text", random, split)

    def _film_what_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._what("film_what_audio", random, split)

    def _film_sound_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._sound("film_sound_text", random, split)

    def _film_sound_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._sound("film_sound_audio", random, split)

    def _film_image(self, random: np.random.Generator, split: Split) -> Example:
        clip = self._clip(random, split, is_still=_is_still(random, split))
        scene = clip.scene_at_end
        return self._made("film_image", random, split, clip=clip, templates=DRAW_END, answer=scene)

    def _film_spoken_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._spoken("film_spoken_text", random, split)

    def _film_spoken_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._spoken("film_spoken_audio", random, split)

    def _spoken(self, task: str, random: np.random.Generator, split: Split) -> Example:
        kind = int(random.choice(len(SPOKEN_SHARES), p=SPOKEN_SHARES))
        if kind == 0:
            return self._happens(task, random, split, is_still=_is_still(random, split))
        return self._what(task, random, split) if kind == 1 else self._sound(task, random, split)

    def _happens(self, task: str, random: np.random.Generator, split: Split, *, is_still: bool) -> Example:
        clip = self._clip(random, split, is_still=is_still, turns_on_mover=True)
        return self._made(task, random, split, clip=clip, templates=HAPPENS, answer=what_happens(clip))

    def _what(self, task: str, random: np.random.Generator, split: Split) -> Example:
        clip = self._clip(random, split)
        candidates = questions_about(clip)
        if split == "composed":
            candidates = [found for found in candidates if is_held_out_pair(found.about.colour, found.about.shape)]
        question = choose_question(random, candidates)
        return self._made(
            task,
            random,
            split,
            clip=clip,
            templates=QUESTIONS[question.kind],
            values=question.values,
            answer=question.answer,
        )

    def _sound(self, task: str, random: np.random.Generator, split: Split) -> Example:
        clip = self._clip(random, split, is_still=_is_still(random, split), is_sound_asked=True)
        return self._made(task, random, split, clip=clip, templates=HEARD, answer=what_sounds(clip))

    def _clip(
        self,
        random: np.random.Generator,
        split: Split,
        *,
        is_still: bool = False,
        turns_on_mover: bool = False,
        is_sound_asked: bool = False,
    ) -> Clip:
        """A clip of the split: of *new*, one unlike any in training; of *composed*, one with a held-out pair.

        With `turns_on_mover` that pair is the object that moves.
        """
        sounds: tuple[str, ...] = ()
        if is_sound_asked or random.random() < self.config.sound_share:
            is_composed = split == "composed" and is_sound_asked
            num_sounds = 2 if is_composed else _one_or_two(random, self.config.sounds)
            sounds = _sounds(random, num_sounds, is_composed=is_composed)
        num_objects = _one_or_two(random, self.config.objects)
        pairs: Pairs = "composed" if split == "composed" else "train"

        def fits(clip: Clip) -> bool:
            if split == "train":
                return not is_new_clip(clip) and not is_new_scene(describe(clip.scene_at_end))
            if split == "new":
                return is_new_clip(clip)
            mover = clip.mover
            return not (turns_on_mover and mover) or is_held_out_pair(mover.colour, mover.shape)

        return _first(
            fits,
            lambda: random_clip(random, num_objects=num_objects, pairs=pairs, is_moving=not is_still, sounds=sounds),
        )

    def _made(
        self,
        task: str,
        random: np.random.Generator,
        split: Split,
        *,
        clip: Clip,
        templates: Templates,
        answer: str | Scene,
        values: dict[str, str] | None = None,
    ) -> Example:
        is_spoken = "spoken" in task
        words, facts = templates.fill(random, split, is_spoken=is_spoken, **(values or {}))
        video = film(clip, random)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=templates.is_question)
        parts: tuple[Part, ...] = (video, part) if random.random() < 0.5 else (part, video)
        digest = sha256(video.frames.numpy().tobytes()).hexdigest()[:16]
        reply = _reply(task, answer)
        if is_spoken:
            reply = after_what_was_heard(reply, words)
        facts = [LANGUAGE, f"kind:{templates.family}", *facts, f"rendering:{digest}", *facts_of(clip), *voice]
        if isinstance(answer, Scene) and split != "new":
            facts += facts_of_scene(answer)
        return self.made(
            task,
            messages=(Message("user", parts), reply),
            answer=answer,
            facts=facts,
            judged_after=HEARD_MARK if is_spoken else None,
        )


def is_new_clip(clip: Clip) -> bool:
    """Whether what a clip shows is kept for *new*."""
    return fraction("clip", describe_clip(clip)) < NEW_SCENES


def facts_of(clip: Clip) -> list[str]:
    """The clip's colour-shape pairs, what it shows, and the order of its sounds."""
    pairs = [f"pair:{item.name}" for item in clip.objects]
    return [*pairs, f"scene:film of {describe_clip(clip)}", *([f"pair:{what_sounds(clip)}"] if clip.sounds[1:] else [])]


def _is_still(random: np.random.Generator, split: Split) -> bool:
    """Now and then; not where the answer has to turn on what is held out."""
    return bool(random.random() < STILL_SHARE) and split != "composed"


def _one_or_two(random: np.random.Generator, shares: Shares) -> int:
    return 1 + int(random.random() * sum(shares) >= shares[0])


def _sounds(random: np.random.Generator, num_sounds: int, *, is_composed: bool) -> tuple[str, ...]:
    """Different sounds in an order that is held out, or in one that is not."""
    if is_composed:
        return pick(random, HELD_OUT_ORDERS)
    return _first(
        lambda found: found not in HELD_OUT_ORDERS,
        lambda: tuple(SOUNDS[place] for place in random.permutation(len(SOUNDS))[:num_sounds]),
    )


def _first(fits: Callable[[T], bool], draw: Callable[[], T]) -> T:
    """The first of what is drawn that fits."""
    while True:
        found = draw()
        if fits(found):
            return found


def _reply(task: str, answer: str | Scene) -> Message:
    if isinstance(answer, Scene):
        return picture_reply(answer)
    return spoken_reply(answer) if task.endswith("audio") else written_reply(answer)
