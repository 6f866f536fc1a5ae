"""What to try with a model: examples of the problems that it learned, each with the right answer beside it.

A task is listed only where this model's own score on it, for questions not trained on, reaches `GOOD`, so that what the
page offers is true for the model that it serves. A model without scores gets the list whole, its scores null. A list of
fixed sentences was rejected: it was true for one model only. Questions are worded as in training: the wordings that are
kept for scores have odd words around the request, and "Ok how much is 13 plus 18 thanks?" invites nobody.

Nothing is downloaded for a page: what needs recordings or emoji that are not on this machine is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from omniloom.core.randomness import generator
from omniloom.data.emoji import describe_drawing
from omniloom.data.emoji import pictures as emoji_pictures
from omniloom.data.problems.base import Problem
from omniloom.data.problems.digits import DigitsProblem
from omniloom.data.problems.emoji import EmojiProblem
from omniloom.data.problems.emoji.problem import drawing_of
from omniloom.data.problems.emoji.wording import DRAW, requested
from omniloom.data.problems.scenes_problem import ScenesProblem
from omniloom.data.problems.sums import SumsProblem
from omniloom.data.problems.templates import (
    QUESTION_CLOSERS,
    QUESTION_OPENERS,
    REQUEST_CLOSERS,
    REQUEST_OPENERS,
    as_typed,
)
from omniloom.data.public import is_at_hand
from omniloom.data.scenes import Scene, describe
from omniloom.data.speech import fsdd
from omniloom.stream.message import Want
from omniloom.stream.parts import Audio, Image, Text

GOOD = 0.85
"""The share of answers that must be right, in the model's own scores, for a task to be offered."""
LONGEST_WORDS = 44
"""Characters of a request that reads at a glance."""
OPENERS = tuple(f"{said} " for table in (QUESTION_OPENERS, REQUEST_OPENERS) for said in table["en"] if said)
CLOSERS = tuple(f" {said}" for table in (QUESTION_CLOSERS, REQUEST_CLOSERS) for said in table["en"] if said)
NUM_INDICES = 100_000


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One task as the page offers it: where its questions come from, the reply asked for, and whose score counts."""

    source: str
    form: Want
    scored_as: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """An example as the user would give it; `answer` is what is right."""

    words: str
    picture: Image | None
    sound: Audio | None
    answer: str


GROUPS: Mapping[str, tuple[Shown, ...]] = {
    "Sums": (
        Shown(source="sum_text", form="text", scored_as="sum_text"),
        Shown(source="sum_text", form="audio", scored_as="sum_audio"),
    ),
    "Scenes": (
        Shown(source="draw_typed", form="image", scored_as="draw_typed"),
        Shown(source="edit_typed", form="image", scored_as="edit_typed"),
    ),
    "Emoji": (
        Shown(source="draw_emoji_typed", form="image", scored_as="draw_emoji_typed"),
        Shown(source="name_emoji_text", form="text", scored_as="name_emoji_text"),
    ),
    "Digits": (
        Shown(source="digit_text", form="text", scored_as="digit_text"),
        Shown(source="digit_text", form="audio", scored_as="digit_asked_audio"),
    ),
    "Questions about a picture": (
        Shown(source="ask_text", form="text", scored_as="ask_text"),
        Shown(source="ask_text", form="audio", scored_as="ask_audio"),
    ),
}
SOURCES = frozenset(shown.source for group in GROUPS.values() for shown in group)


def task_groups(scores: Mapping[str, Any], *, seed: int, per_group: int = 2) -> list[dict[str, Any]]:
    """The groups that the model is good at, each with examples that `seed` chooses."""
    known = {name: part for cell in scores.get("cells", ()) if cell["split"] == "new" for name, part in _tasks_of(cell)}
    found = []
    for title, offered in GROUPS.items():
        good = [shown for shown in offered if _score(known, shown) is None or _score(known, shown) >= GOOD]
        examples = [
            _listed(shown, number, seed, _score(known, shown))
            for number, shown in enumerate((good * per_group)[:per_group])
            if is_makeable(shown.source)
        ]
        if examples:
            found.append({"title": title, "examples": examples})
    return found


def is_makeable(source: str) -> bool:
    """Whether this machine can make examples of a task without the network."""
    if source == "name_emoji_text":
        return is_at_hand(emoji_pictures.SOURCE)
    return source != "digit_text" or is_at_hand(fsdd.SOURCE) or _can_synthesize()


@lru_cache(maxsize=256)
def given(source: str, index: int) -> Given:
    """The example of a task at an index.

    Raises:
        ValueError: If there is no such task or index, or its pictures or recordings are not on this machine.
    """
    if source not in SOURCES or not 0 <= index < NUM_INDICES:
        raise ValueError(f"no example {index} of {source!r}; tasks are {', '.join(sorted(SOURCES))}")
    if not is_makeable(source):
        raise ValueError(f"examples of {source!r} need data that is not on this machine; see $OMNILOOM_DATA")
    if source == "draw_emoji_typed":
        return _emoji_request(index)
    example = _problems()[source].example("train", index, source)
    parts = example.messages[0].parts
    answer = example.answer
    assert isinstance(answer, str | Scene), f"{source} has an answer of another kind"
    return Given(
        words=" ".join(part.text for part in parts if isinstance(part, Text)),
        picture=next((part for part in parts if isinstance(part, Image)), None),
        sound=next((part for part in parts if isinstance(part, Audio)), None),
        answer=answer if isinstance(answer, str) else describe(answer),
    )


def _emoji_request(index: int) -> Given:
    """A request for a drawing; the problem's own example would hold the drawing too, and so the emoji's pictures."""
    random = generator("page.tasks", "draw_emoji_typed", index)
    drawing = drawing_of(random, "train")
    what = requested(drawing.name, drawing.form, random)
    words, _ = DRAW.fill(random, "train", is_spoken=False, what=what)
    typed = as_typed(words, random, is_question=False)
    return Given(words=typed, picture=None, sound=None, answer=describe_drawing(drawing))


@cache
def _problems() -> dict[str, Problem]:
    # The page is English, and every change is to be drawn. Without recordings, digits are said by synthetic voices.
    scenes = ScenesProblem(ScenesProblem.Config(french=0.0, asked_on=0.0, told=0.0))
    digits = DigitsProblem(DigitsProblem.Config(synthetic=0.0 if is_at_hand(fsdd.SOURCE) else 1.0))
    emoji, sums = EmojiProblem(), SumsProblem()
    owners: tuple[Problem, ...] = (scenes, digits, emoji, sums)
    return {task.name: problem for problem in owners for task in problem.tasks if task.name in SOURCES}


@cache
def _can_synthesize() -> bool:
    return find_spec("espeakng_loader") is not None


def _tasks_of(cell: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return iter(cell.get("tasks", {}).items())


def _score(known: Mapping[str, Any], shown: Shown) -> Any:
    part = known.get(shown.scored_as)
    return None if part is None else part["score"]


def _listed(shown: Shown, number: int, seed: int, score: float | None) -> dict[str, Any]:
    index, example = _readable(shown.source, seed, number)
    place = f"/tasks/{shown.source}/{index}"
    return {
        "words": example.words,
        "form": shown.form,
        "picture": f"{place}.png" if example.picture else None,
        "sound": f"{place}.wav" if example.sound else None,
        "answer": example.answer,
        "score": score,
    }


def _readable(source: str, seed: int, number: int) -> tuple[int, Given]:
    """A request that reads at a glance, and where it stands."""
    random = generator("page.tasks", source, seed, number)
    while True:
        index = int(random.integers(NUM_INDICES))
        example = given(source, index)
        if _is_plain(example.words):
            return index, example


def _is_plain(words: str) -> bool:
    """Whether words are a short sentence, with nothing said around the request."""
    said = words.rstrip("?.!").lower()
    is_sentence = words[:1].isupper() and said != words.lower() and len(words) <= LONGEST_WORDS
    return is_sentence and not said.startswith(OPENERS) and not said.endswith(CLOSERS)
