"""A second question that means nothing without the first: what it is about, or what it asks, was said before.

"What is at the top left?" "Red star." "And how big is it?" leans on the object; "and the other one" leans on what was
asked. Each has exactly one right answer, which the first turn has not given away.
"""

from __future__ import annotations

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
            found += [*_about_it(first, first.about), *_about_others(scene, first, first.about)]
    return found


def reference_for(scene: Scene, random: np.random.Generator, split: Split) -> Reference | None:
    """One of them, of *composed* one that turns on a held-out pair; None where there is none."""
    candidates = [
        item
        for item in references_in(scene)
        if split != "composed" or is_held_out_pair(item.about.colour, item.about.shape)
    ]
    return _of_some_family(candidates, random)


def further_reference(scene: Scene, last: Reference, told: str, random: np.random.Generator) -> Reference | None:
    """One that leans on another and asks for none of the words told so far; None where there is none."""
    first = Question(kind=last.kind, values={"told": told}, answer=last.answer, about=last.about)
    others = [item for item in _about_others(scene, first, last.about) if item.answer not in told]
    return _of_some_family([*_about_it(first, last.about), *others], random)


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


def _about_it(first: Question, item: SceneObject) -> list[Reference]:
    told = " ".join((*first.values.values(), first.answer))
    return [
        Reference(first=first, kind=kind, templates=templates, values={}, answer=property_of(item, kind), about=item)
        for kind, templates in ABOUT_IT.items()
        if property_of(item, kind) not in told
    ]


def _about_others(scene: Scene, first: Question, item: SceneObject) -> list[Reference]:
    others = [other for other in scene.objects if other is not item]
    found = []
    if len(others) == 1 and first.kind in ("colour", "shape", "where", "size", "at"):
        answer = property_of(others[0], first.kind)
        found.append(
            Reference(first=first, kind=first.kind, templates=THE_OTHER, values={}, answer=answer, about=others[0])
        )
    if first.kind in ("colour", "where", "size"):
        shapes = [object.shape for object in scene.objects]
        for other in others:
            name = other.shape if first.kind == "colour" else f"{other.colour} {other.shape}"
            if first.kind == "colour" and shapes.count(other.shape) > 1:
                continue
            answer = property_of(other, first.kind)
            values = {"what": name}
            found.append(
                Reference(first=first, kind=first.kind, templates=THE_NAMED, values=values, answer=answer, about=other)
            )
    return found
