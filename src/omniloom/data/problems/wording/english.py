"""Scenes and phrases in English."""

from __future__ import annotations

from omniloom.data.problems.templates import Templates
from omniloom.data.problems.wording.base import CalledBy, PhraseWording, SceneWording
from omniloom.data.scenes import Scene, SceneObject, describe
from omniloom.data.speech.words import number_words

ENGLISH_PHRASES = PhraseWording(
    say=Templates(
        "say",
        ("say {phrase}", "read aloud {phrase}", "speak the words {phrase}", "can you say {phrase}"),
        False,
        spoken_cores=("say {phrase}", "repeat {phrase}", "can you say {phrase}"),
    ),
    transcribe=Templates(
        "transcribe",
        ("write what you hear", "what do you hear", "which words are these", "write this down", "what is said here"),
        True,
    ),
)

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
DRAW = Templates(
    "draw",
    ("draw {scene}", "show me {scene}", "make a picture of {scene}", "i want to see {scene}", "paint {scene}"),
    False,
    spoken_cores=("draw a {brief}", "show a {brief}", "paint a {brief}", "make a {brief}"),
)
STATEMENTS = ("there is {scene}", "i see {scene}", "the picture shows {scene}", "on the paper is {scene}")
PLACES = ("at the {position}", "at the {position}", "in the {position} corner", "{position}")

CHANGED = {"recolour": "colour", "reshape": "shape", "resize": "size", "move": "position"}
"""The property that an edit changes."""


class EnglishScenes(SceneWording):
    language = "en"
    describe = DESCRIBE
    questions = QUESTIONS
    edits = EDITS
    draw = DRAW
    statements = STATEMENTS
    places = PLACES

    def number(self, number: int) -> str:
        return number_words(number)

    def answer(self, kind: str, item: SceneObject) -> str:
        name = f"{item.colour} {item.shape}"
        return {
            "colour": item.colour,
            "shape": item.shape,
            "where": item.position,
            "at": name,
            "beside": name,
            "size": item.size,
        }[kind]

    def asking(self, kind: str, item: SceneObject, by: CalledBy, side: str = "") -> dict[str, str]:
        if kind == "at":
            return {"position": item.position}
        if by == "it":
            return {"what": "it"}
        if kind == "shape":
            return {"what": item.colour}
        what = f"the {item.shape}" if kind == "colour" else f"{item.colour} {item.shape}"
        return {"side": side, "what": what} if kind == "beside" else {"what": what}

    def changing(self, kind: str, item: SceneObject, by: CalledBy, made: SceneObject | None) -> dict[str, str]:
        if kind == "add":
            return {"new": describe(Scene((item,)))}
        what = {"it": "it", "shape": f"the {item.shape}", "name": f"the {item.colour} {item.shape}"}[by]
        if made is None:
            return {"what": what}
        field = CHANGED[kind]
        return {"what": what, field: getattr(made, field)}

    def noun(self, item: SceneObject, *, size: str, place: str) -> str:
        article = "an" if not size and item.colour == "orange" else "a"
        return " ".join(filter(None, (article, size, item.colour, item.shape, place)))

    def brief(self, item: SceneObject, *, size: str, position: str) -> str:
        return " ".join(filter(None, (size, item.colour, item.shape, position)))

    def brief_request(self, first: SceneObject, joined: str) -> str:
        return joined

    def position(self, position: str) -> str:
        return position

    def joined(self, nouns: list[str]) -> str:
        return " and ".join(nouns)
