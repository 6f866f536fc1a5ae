"""What can be asked about a scene and changed in it, with the right answer to each.

One list serves pictures and described scenes alike, so that seeing and reading are the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from omniloom.data.problems.templates import Templates, pick
from omniloom.data.scenes import COLOURS, MAX_OBJECTS, POSITIONS, SHAPES, SIZES, Scene, SceneObject, describe
from omniloom.data.speech.words import number_words


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

DESCRIBE = Templates(
    "describe",
    ("what do you see", "what is in the picture", "what is this", "describe the picture", "what is there"),
    True,
)
QUESTIONS = {
    "colour": Templates(
        "colour",
        (
            "what colour is {what}",
            "which colour is {what}",
            "what is the colour of {what}",
            "what colour does {what} have",
        ),
        True,
    ),
    "shape": Templates(
        "shape", ("what shape is {what}", "which shape is {what}", "what is {what}", "which thing is {what}"), True
    ),
    "where": Templates(
        "where",
        (
            "where is the {what}",
            "where do you see the {what}",
            "where can i find the {what}",
            "in which corner is the {what}",
        ),
        True,
    ),
    "at": Templates(
        "at",
        (
            "what is at the {position}",
            "what is in the {position}",
            "what do you see at the {position}",
            "which thing is at the {position}",
        ),
        True,
    ),
    "beside": Templates(
        "beside",
        (
            "what is {side} the {what}",
            "what do you see {side} the {what}",
            "which thing is {side} the {what}",
            "what stands {side} the {what}",
        ),
        True,
    ),
    "size": Templates(
        "size",
        (
            "how big is the {what}",
            "is the {what} small or big",
            "what size is the {what}",
            "what size does the {what} have",
        ),
        True,
    ),
    "count": Templates(
        "count",
        ("how many shapes are there", "how many things do you see", "how many shapes do you see", "count the shapes"),
        True,
    ),
}
EDITS = {
    "recolour": Templates(
        "recolour",
        ("make {what} {colour}", "paint {what} {colour}", "change {what} to {colour}", "colour {what} {colour}"),
        False,
    ),
    "reshape": Templates(
        "reshape",
        (
            "turn {what} into a {shape}",
            "make {what} a {shape}",
            "change {what} into a {shape}",
            "replace {what} with a {shape}",
        ),
        False,
    ),
    "resize": Templates(
        "resize", ("make {what} {size}", "draw {what} {size}", "turn {what} {size}", "change {what} to {size}"), False
    ),
    "move": Templates(
        "move",
        (
            "move {what} to the {position}",
            "put {what} at the {position}",
            "place {what} at the {position}",
            "bring {what} to the {position}",
        ),
        False,
    ),
    "add": Templates("add", ("add a {new}", "put a {new} there", "draw a {new} too", "also draw a {new}"), False),
    "remove": Templates("remove", ("remove {what}", "take away {what}", "delete {what}", "take {what} out"), False),
}

SIDES = {"right of": (0, 1), "left of": (0, -1), "below": (1, 0), "above": (-1, 0)}
"""Where the answer lies, seen from the object named: rows down, columns right."""


def questions_about(scene: Scene) -> list[Question]:
    """Every question with exactly one right answer."""
    found = [Question(kind="count", values={}, answer=number_words(len(scene.objects)))]
    for item in scene.objects:
        name = f"{item.colour} {item.shape}"
        if [other.shape for other in scene.objects].count(item.shape) == 1:
            found.append(Question(kind="colour", values={"what": f"the {item.shape}"}, answer=item.colour, about=item))
        if [other.colour for other in scene.objects].count(item.colour) == 1:
            found.append(Question(kind="shape", values={"what": item.colour}, answer=item.shape, about=item))
        if len(scene.objects) == 1:
            found.append(Question(kind="colour", values={"what": "it"}, answer=item.colour, about=item))
            found.append(Question(kind="shape", values={"what": "it"}, answer=item.shape, about=item))
        found.append(Question(kind="where", values={"what": name}, answer=item.position, about=item))
        found.append(Question(kind="at", values={"position": item.position}, answer=name, about=item))
        found.append(Question(kind="size", values={"what": name}, answer=item.size, about=item))
        for side, place in SIDES.items():
            neighbour = _beside(scene, item, place)
            if neighbour:
                answer = f"{neighbour.colour} {neighbour.shape}"
                values = {"side": side, "what": name}
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


def random_edit(random: np.random.Generator, scene: Scene, kind: str) -> Edit | None:
    """A change of a kind, or None where this scene does not allow the one drawn."""
    item = pick(random, scene.objects)
    what = _name_in(scene, item)
    empty = [position for position in POSITIONS if position not in [other.position for other in scene.objects]]
    if kind == "recolour":
        return _changed(scene, item, kind, what, colour=pick(random, COLOURS))
    if kind == "reshape":
        return _changed(scene, item, kind, what, shape=pick(random, SHAPES))
    if kind == "resize":
        return _changed(scene, item, kind, what, size=pick(random, SIZES))
    if kind == "move":
        return _changed(scene, item, kind, what, position=pick(random, empty))
    if kind == "add":
        new = SceneObject(
            shape=pick(random, SHAPES),
            colour=pick(random, COLOURS),
            size=pick(random, SIZES),
            position=pick(random, empty),
        )
        after = _scene([*scene.objects, new])
        return Edit(kind=kind, values={"new": describe(Scene((new,)))}, after=after, made=new) if after else None
    assert kind == "remove", kind
    if len(scene.objects) == 1:
        return None
    rest = [other for other in scene.objects if other is not item]
    return Edit(kind=kind, values={"what": what}, after=Scene.of(rest), made=rest[0] if len(rest) == 1 else None)


def _changed(scene: Scene, item: SceneObject, kind: str, what: str, **change: str) -> Edit | None:
    made = replace(item, **change)
    if made == item:
        return None
    after = _scene([made if other is item else other for other in scene.objects])
    return Edit(kind=kind, values={"what": what, **change}, after=after, made=made) if after else None


def _scene(objects: list[SceneObject]) -> Scene | None:
    """The scene, or None where the rules of scenes forbid it."""
    if len(objects) > MAX_OBJECTS or len({(item.colour, item.shape) for item in objects}) < len(objects):
        return None
    return Scene.of(objects)


def _name_in(scene: Scene, item: SceneObject) -> str:
    """The shortest name that tells an object from the others."""
    if len(scene.objects) == 1:
        return "it"
    if [other.shape for other in scene.objects].count(item.shape) == 1:
        return f"the {item.shape}"
    return f"the {item.colour} {item.shape}"
