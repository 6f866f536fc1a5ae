"""What can be asked about a film, with the right answer to each: what moves, from where to where, and what sounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from omniloom.data.clips import Clip, ClipObject
from omniloom.data.problems.questions import choose_share
from omniloom.data.problems.templates import Templates, pick

NOTHING = "nothing"

HAPPENS = Templates(
    "film happens",
    ("what happens", "what moves where", "what goes where", "what happens in the film", "what happens here"),
    True,
    spoken_cores=("what happens", "what moves where", "what goes where"),
)
HEARD = Templates(
    "film heard",
    ("what do you hear", "what can you hear", "what sounds in the film", "which sounds are there", "what is heard"),
    True,
    spoken_cores=("what do you hear", "what can you hear", "what is heard"),
)
DRAW_END = Templates(
    "film end",
    (
        "draw the end",
        "draw how it ends",
        "draw the last moment",
        "draw the end of the film",
        "show me the end",
        "paint the last moment of the film",
    ),
    False,
)
QUESTIONS = {
    "thing": Templates(
        "film thing", ("what moves", "which thing moves", "what is it that moves", "what goes somewhere else"), True
    ),
    "colour": Templates(
        "film colour",
        (
            "what colour is the thing that moves",
            "which colour is the thing that moves",
            "what colour does the moving thing have",
            "what is the colour of the thing that moves",
        ),
        True,
        spoken_cores=("what colour moves", "which colour moves", "what is the colour that moves"),
    ),
    "shape": Templates(
        "film shape",
        ("which shape moves", "what shape moves", "what shape is the thing that moves", "which shape goes elsewhere"),
        True,
        spoken_cores=("which shape moves", "what shape moves", "which shape goes elsewhere"),
    ),
    "to": Templates(
        "film to",
        (
            "where does {what} go",
            "where is {what} at the end",
            "where does {what} end up",
            "in which corner does {what} end",
        ),
        True,
    ),
    "from": Templates(
        "film from",
        ("where was {what} at first", "where does {what} come from", "where does {what} start", "where was {what}"),
        True,
    ),
    "rest": Templates(
        "film rest", ("what stays where it is", "what does not move", "which thing stands still", "what stays"), True
    ),
}
QUESTION_SHARES = {"thing": 1.0, "colour": 2.0, "shape": 2.0, "to": 2.0, "from": 2.0, "rest": 1.0}


class FilmQuestion(NamedTuple):
    """A question of some kind, the words that fill its template, its answer, and the object it turns on."""

    kind: str
    values: dict[str, str]
    answer: str
    about: ClipObject


def what_happens(clip: Clip) -> str:
    """The canonical answer: "red circle goes bottom right", or "nothing"."""
    return f"{clip.mover.name} goes {clip.mover.end}" if clip.mover else NOTHING


def what_sounds(clip: Clip) -> str:
    """The canonical answer: "bell", or "beep then bell"."""
    return " then ".join(clip.sounds)


def questions_about(clip: Clip) -> list[FilmQuestion]:
    """Every question with exactly one right answer, about a clip in which something moves."""
    mover = clip.mover
    assert mover is not None, "nothing moves"
    found = [
        FilmQuestion("thing", {}, mover.name, mover),
        FilmQuestion("colour", {}, mover.colour, mover),
        FilmQuestion("shape", {}, mover.shape, mover),
    ]
    for name in _names(clip, mover):
        found.append(FilmQuestion("to", {"what": name}, mover.end, mover))
        found.append(FilmQuestion("from", {"what": name}, mover.start, mover))
    found += [FilmQuestion("rest", {}, item.name, item) for item in clip.objects if item is not mover]
    return found


def choose_question(random: np.random.Generator, candidates: list[FilmQuestion]) -> FilmQuestion:
    """A kind by its share among those there are, then one of that kind."""
    kinds = sorted({question.kind for question in candidates})
    kind = choose_share(random, {kind: QUESTION_SHARES[kind] for kind in kinds})
    return pick(random, [question for question in candidates if question.kind == kind])


def _names(clip: Clip, item: ClipObject) -> list[str]:
    """What an object may be called so that no other one is meant."""
    names = [f"the {item.name}", "the thing that moves"]
    if [other.shape for other in clip.objects].count(item.shape) == 1:
        names.append(f"the {item.shape}")
    return names
