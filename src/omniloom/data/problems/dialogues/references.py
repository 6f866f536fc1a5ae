"""A second question that means nothing without the first: what it is about, or what it asks, was said before.

"What is at the top left?" "Red star." "And how big is it?" leans on the object; "and the other one" leans on what was
asked. Each has exactly one right answer, which the first turn has not given away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from omniloom.data.problems.base import Split
from omniloom.data.problems.dialogues.wording import ABOUT_IT, THE_NAMED, THE_OTHER, FollowUp
from omniloom.data.problems.holdout import is_held_out_pair
from omniloom.data.problems.questions import Question, questions_about
from omniloom.data.problems.templates import pick
from omniloom.data.scenes import Scene, SceneObject


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A question, and one that leans on it: what it asks, its wording, what fills it, its answer, what it turns on."""

    first: Question
    kind: str
    templates: FollowUp
    values: dict[str, str]
    answer: str
    about: SceneObject


def references_in(scene: Scene) -> list[Reference]:
    """Every second question that has one right answer, with the first that it leans on."""
    found = []
    for first in questions_about(scene):
        if first.about is not None:
            told = told_of(first.about, (*first.values.values(), first.answer))
            found += [
                *_about_it(first, first.about, told),
                *_about_others(scene, first, first.kind, first.about),
            ]
    return found


def reference_for(scene: Scene, random: np.random.Generator, split: Split) -> Reference | None:
    """One of them, of *composed* one that turns on a held-out pair; None where there is none."""
    candidates = [
        item
        for item in references_in(scene)
        if split != "composed" or is_held_out_pair(item.about.colour, item.about.shape)
    ]
    return _of_some_family(candidates, random)


Told = frozenset[tuple[SceneObject, str]]
"""What has been said: of which object, which property."""


def told_of(item: SceneObject, words: Iterable[str]) -> Told:
    """What a turn about an object tells of it."""
    said = " ".join(words)
    return frozenset((item, kind) for kind in ABOUT_IT if property_of(item, kind) in said)


def further_reference(scene: Scene, last: Reference, told: Told, random: np.random.Generator) -> Reference | None:
    """One that leans on another and asks for nothing told so far; None where there is none."""
    candidates = [*_about_it(last.first, last.about, told), *_about_others(scene, last.first, last.kind, last.about)]
    return _of_some_family([item for item in candidates if (item.about, item.kind) not in told], random)


def _of_some_family(candidates: list[Reference], random: np.random.Generator) -> Reference | None:
    if not candidates:
        return None
    family = pick(random, sorted({item.templates.family for item in candidates}))
    return pick(random, [item for item in candidates if item.templates.family == family])


def property_of(item: SceneObject, kind: str) -> str:
    """What a question of that kind is answered with."""
    if kind == "at":
        return f"{item.colour} {item.shape}"
    return {"colour": item.colour, "shape": item.shape, "where": item.position, "size": item.size}[kind]


def _about_it(first: Question, item: SceneObject, told: Told) -> list[Reference]:
    return [
        Reference(first=first, kind=kind, templates=templates, values={}, answer=property_of(item, kind), about=item)
        for kind, templates in ABOUT_IT.items()
        if (item, kind) not in told
    ]


def _about_others(scene: Scene, first: Question, kind: str, item: SceneObject) -> list[Reference]:
    """The same asked of another object."""
    others = [other for other in scene.objects if other is not item]
    found = []
    if len(others) == 1 and kind in ("colour", "shape", "where", "size", "at"):
        answer = property_of(others[0], kind)
        found.append(Reference(first=first, kind=kind, templates=THE_OTHER, values={}, answer=answer, about=others[0]))
    if kind in ("colour", "where", "size"):
        shapes = [object.shape for object in scene.objects]
        for other in others:
            name = other.shape if kind == "colour" else f"{other.colour} {other.shape}"
            if kind == "colour" and shapes.count(other.shape) > 1:
                continue
            answer, values = property_of(other, kind), {"what": name}
            found.append(
                Reference(first=first, kind=kind, templates=THE_NAMED, values=values, answer=answer, about=other)
            )
    return found
