"""What can be asked about a scene and changed in it, with the right answer to each.

One list serves pictures and described scenes alike, so that seeing and reading are the same questions. What they say in
each language is in `wording`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from omniloom.data.problems.templates import pick
from omniloom.data.problems.wording import SCENE_WORDINGS, SceneWording
from omniloom.data.problems.wording.base import CalledBy
from omniloom.data.scenes import COLOURS, MAX_OBJECTS, POSITIONS, SHAPES, SIZES, Scene, SceneObject
from omniloom.data.speech.words import Language


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of some kind, the words that fill its template, its answer, and the object it turns on."""

    kind: str
    values: dict[str, str]
    answer: str
    about: SceneObject | None = None


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change, the words that fill its template, the scene after it, and the object it made or moved."""

    kind: str
    values: dict[str, str]
    after: Scene
    made: SceneObject | None = None


QUESTION_SHARES = {"colour": 3.0, "shape": 3.0, "where": 2.0, "at": 2.0, "beside": 2.0, "size": 1.0, "count": 1.0}
EDIT_SHARES = {"recolour": 3.0, "reshape": 3.0, "resize": 2.0, "move": 2.0, "add": 1.0, "remove": 1.0}

DESCRIBE = SCENE_WORDINGS["en"].describe
QUESTIONS = SCENE_WORDINGS["en"].questions
EDITS = SCENE_WORDINGS["en"].edits
"""The English wordings by kind; those of every language are in `wording`."""

SIDES = {"right of": (0, 1), "left of": (0, -1), "below": (1, 0), "above": (-1, 0)}
"""Where the answer lies, seen from the object named: rows down, columns right."""


def questions_about(scene: Scene, language: Language = "en") -> list[Question]:
    """Every question with exactly one right answer."""
    wording = SCENE_WORDINGS[language]

    def question(kind: str, item: SceneObject, by: CalledBy = "name") -> Question:
        return Question(kind=kind, values=wording.asking(kind, item, by), answer=wording.answer(kind, item), about=item)

    found = [Question(kind="count", values={}, answer=wording.number(len(scene.objects)))]
    for item in scene.objects:
        if [other.shape for other in scene.objects].count(item.shape) == 1:
            found.append(question("colour", item, "shape"))
        if [other.colour for other in scene.objects].count(item.colour) == 1:
            found.append(question("shape", item, "colour"))
        if len(scene.objects) == 1:
            found += [question("colour", item, "it"), question("shape", item, "it")]
        found += [question("where", item), question("at", item), question("size", item)]
        for side, place in SIDES.items():
            neighbour = _beside(scene, item, place)
            if neighbour:
                values = wording.asking("beside", item, "name", side)
                answer = wording.answer("beside", neighbour)
                found.append(Question(kind="beside", values=values, answer=answer, about=neighbour))
    return found


def _beside(scene: Scene, item: SceneObject, place: tuple[int, int]) -> SceneObject | None:
    row, column = divmod(POSITIONS.index(item.position), 2)
    row, column = row + place[0], column + place[1]
    if not (0 <= row <= 1 and 0 <= column <= 1):
        return None
    position = POSITIONS[2 * row + column]
    return next((other for other in scene.objects if other.position == position), None)


def choose_question(random: np.random.Generator, candidates: list[Question]) -> Question:
    """A kind by its share among those there are, then one of that kind."""
    kinds = sorted({question.kind for question in candidates})
    kind = choose_share(random, {kind: QUESTION_SHARES[kind] for kind in kinds})
    return pick(random, [question for question in candidates if question.kind == kind])


def choose_share(random: np.random.Generator, shares: dict[str, float]) -> str:
    """A key, by its share."""
    weights = np.array(list(shares.values()))
    return list(shares)[int(random.choice(len(shares), p=weights / weights.sum()))]


def random_edit(random: np.random.Generator, scene: Scene, kind: str, language: Language = "en") -> Edit | None:
    """A change of a kind, or None where this scene does not allow the one drawn."""
    item = pick(random, scene.objects)
    wording = SCENE_WORDINGS[language]
    empty = [position for position in POSITIONS if position not in [other.position for other in scene.objects]]
    if kind == "recolour":
        return _changed(scene, item, kind, wording, colour=pick(random, COLOURS))
    if kind == "reshape":
        return _changed(scene, item, kind, wording, shape=pick(random, SHAPES))
    if kind == "resize":
        return _changed(scene, item, kind, wording, size=pick(random, SIZES))
    if kind == "move":
        return _changed(scene, item, kind, wording, position=pick(random, empty))
    if kind == "add":
        new = SceneObject(
            shape=pick(random, SHAPES),
            colour=pick(random, COLOURS),
            size=pick(random, SIZES),
            position=pick(random, empty),
        )
        after = _scene([*scene.objects, new])
        values = wording.changing(kind, new, "name", None)
        return Edit(kind=kind, values=values, after=after, made=new) if after else None
    assert kind == "remove", kind
    if len(scene.objects) == 1:
        return None
    rest = [other for other in scene.objects if other is not item]
    values = wording.changing(kind, item, _called_in(scene, item), None)
    return Edit(kind=kind, values=values, after=Scene.of(rest), made=rest[0] if len(rest) == 1 else None)


def _changed(scene: Scene, item: SceneObject, kind: str, wording: SceneWording, **change: str) -> Edit | None:
    made = replace(item, **change)
    if made == item:
        return None
    after = _scene([made if other is item else other for other in scene.objects])
    values = wording.changing(kind, item, _called_in(scene, item), made)
    return Edit(kind=kind, values=values, after=after, made=made) if after else None


def _scene(objects: list[SceneObject]) -> Scene | None:
    """The scene, or None where the rules of scenes forbid it."""
    if len(objects) > MAX_OBJECTS or len({(item.colour, item.shape) for item in objects}) < len(objects):
        return None
    return Scene.of(objects)


def _called_in(scene: Scene, item: SceneObject) -> CalledBy:
    """The shortest name that tells an object from the others."""
    if len(scene.objects) == 1:
        return "it"
    return "shape" if [other.shape for other in scene.objects].count(item.shape) == 1 else "name"
