"""Scenes and phrases in French."""

from __future__ import annotations

from omniloom.data.problems.templates import Templates
from omniloom.data.problems.wording.base import CalledBy, PhraseWording, SceneWording
from omniloom.data.scenes import SceneObject, describe_object
from omniloom.data.speech.french import (
    FEMININE_SHAPES,
    FRENCH_COLOURS,
    FRENCH_POSITIONS,
    FRENCH_SHAPES,
    FRENCH_SIZES,
    agreed,
    french_name,
    of_the,
    with_a,
    with_the,
)
from omniloom.data.speech.words import FRENCH_NUMBER_WORDS

FRENCH_PHRASES = PhraseWording(
    say=Templates(
        "say",
        ("dis {phrase}", "lis à voix haute {phrase}", "répète les mots {phrase}", "peux-tu dire {phrase}"),
        False,
        spoken_cores=("dis {phrase}", "répète {phrase}", "peux-tu dire {phrase}"),
        language="fr",
    ),
    transcribe=Templates(
        "transcribe",
        ("écris ce que tu entends", "qu'entends-tu", "quels sont ces mots", "note ce qui est dit", "que dit la voix"),
        True,
        language="fr",
    ),
)

DESCRIBE = Templates(
    "describe",
    ("que vois-tu", "qu'y a-t-il sur l'image", "qu'est-ce que c'est", "décris l'image", "que montre l'image"),
    True,
    language="fr",
)
QUESTIONS = {
    kind: Templates(kind, cores, True, language="fr")
    for kind, cores in {
        "colour": (
            "de quelle couleur est {what}",
            "quelle est la couleur {of}",
            "quelle couleur a {what}",
            "dis-moi la couleur {of}",
        ),
        "shape": (
            "quelle forme est {feminine}",
            "qu'est-ce qui est {masculine}",
            "quel objet est {masculine}",
            "quelle est la forme {feminine}",
        ),
        "where": ("où est {what}", "où se trouve {what}", "où vois-tu {what}", "dans quel coin est {what}"),
        "at": (
            "qu'y a-t-il {position}",
            "que vois-tu {position}",
            "qu'est-ce qui est {position}",
            "quel objet est {position}",
        ),
        "beside": (
            "qu'y a-t-il {beside}",
            "que vois-tu {beside}",
            "qu'est-ce qui est {beside}",
            "quel objet est {beside}",
        ),
        "size": (
            "quelle est la taille {of}",
            "{what} est-{pronoun} {small} ou {big}",
            "de quelle taille est {what}",
            "quelle taille a {what}",
        ),
        "count": (
            "combien de formes y a-t-il",
            "combien d'objets vois-tu",
            "combien de formes vois-tu",
            "compte les formes",
        ),
    }.items()
}
EDITS = {
    kind: Templates(kind, cores, False, language="fr")
    for kind, cores in {
        "recolour": (
            "mets {what} en {colour}",
            "peins {what} en {colour}",
            "colorie {what} en {colour}",
            "change {what} en {colour}",
        ),
        "reshape": (
            "transforme {what} en {shape}",
            "remplace {what} par {a_shape}",
            "change {what} en {shape}",
            "fais {of} {a_shape}",
        ),
        "resize": ("rends {what} {size}", "dessine {what} en {plain}", "mets {what} en {plain}", "fais {what} {size}"),
        "move": (
            "déplace {what} {position}",
            "mets {what} {position}",
            "place {what} {position}",
            "bouge {what} {position}",
        ),
        "add": ("ajoute {new}", "mets aussi {new}", "dessine aussi {new}", "dessine {new} en plus"),
        "remove": ("enlève {what}", "efface {what}", "retire {what}", "supprime {what}"),
    }.items()
}
DRAW = Templates(
    "draw",
    ("dessine {scene}", "montre-moi {scene}", "fais une image avec {scene}", "je veux voir {scene}", "peins {scene}"),
    False,
    spoken_cores=("dessine {brief}", "montre {brief}", "peins {brief}", "fais {brief}"),
    language="fr",
)
SIDES = {"right of": "à droite", "left of": "à gauche", "below": "en dessous", "above": "au-dessus"}
"""Each goes on with "du", "de la" or "de l'"."""


class FrenchScenes(SceneWording):
    language = "fr"
    describe = DESCRIBE
    questions = QUESTIONS
    edits = EDITS
    draw = DRAW
    statements = ("il y a {scene}", "je vois {scene}", "l'image montre {scene}", "sur le papier il y a {scene}")
    places = ("{position}", "{position}", "dans le coin {position}", "tout {position}")

    def number(self, number: int) -> str:
        return FRENCH_NUMBER_WORDS[number]

    def answer(self, kind: str, item: SceneObject) -> str:
        name = french_name(item.shape, item.colour)
        return {
            "colour": agreed(FRENCH_COLOURS[item.colour], item.shape),
            "shape": FRENCH_SHAPES[item.shape],
            "where": FRENCH_POSITIONS[item.position],
            "at": name,
            "beside": name,
            "size": agreed(FRENCH_SIZES[item.size], item.shape),
        }[kind]

    def asking(self, kind: str, item: SceneObject, by: CalledBy, side: str = "") -> dict[str, str]:
        if kind == "at":
            return {"position": FRENCH_POSITIONS[item.position]}
        if kind == "shape":
            forms = FRENCH_COLOURS[item.colour]
            return {"masculine": forms.masculine, "feminine": forms.feminine}
        # What stands alone is called by its shape: "it" would take a gender from a noun that nobody said.
        name = french_name(item.shape) if kind == "colour" else french_name(item.shape, item.colour)
        of = of_the(name, item.shape)
        if kind == "beside":
            return {"beside": f"{SIDES[side]} {of}"}
        return {"what": with_the(name, item.shape), "of": of, **(_sizes(item.shape) if kind == "size" else {})}

    def changing(self, kind: str, item: SceneObject, by: CalledBy, made: SceneObject | None) -> dict[str, str]:
        if kind == "add":
            return {"new": with_a(describe_object(item, "fr"), item.shape)}
        name = french_name(item.shape, item.colour if by == "name" else "")
        what, of = with_the(name, item.shape), of_the(name, item.shape)
        is_feminine = item.shape in FEMININE_SHAPES
        if by == "it":
            what, of, is_feminine = "la forme", "de la forme", True
        called = {"what": what, "of": of}
        if made is None:
            return called
        sizes = FRENCH_SIZES[made.size]
        changed = {
            "recolour": {"colour": FRENCH_COLOURS[made.colour].masculine},
            "reshape": {
                "shape": FRENCH_SHAPES[made.shape],
                "a_shape": with_a(FRENCH_SHAPES[made.shape], made.shape),
            },
            "resize": {"size": sizes.feminine if is_feminine else sizes.masculine, "plain": sizes.masculine},
            "move": {"position": FRENCH_POSITIONS[made.position]},
        }
        return {**called, **changed[kind]}

    def noun(self, item: SceneObject, *, size: str, place: str) -> str:
        return " ".join(filter(None, (with_a(french_name(item.shape, item.colour, size), item.shape), place)))

    def brief(self, item: SceneObject, *, size: str, position: str) -> str:
        place = FRENCH_POSITIONS[position] if position else ""
        return " ".join(filter(None, (french_name(item.shape, item.colour, size), place)))

    def brief_request(self, first: SceneObject, joined: str) -> str:
        return with_a(joined, first.shape)

    def position(self, position: str) -> str:
        return FRENCH_POSITIONS[position]

    def joined(self, nouns: list[str]) -> str:
        return " et ".join(nouns)


def _sizes(shape: str) -> dict[str, str]:
    return {
        "pronoun": "elle" if shape in FEMININE_SHAPES else "il",
        "small": agreed(FRENCH_SIZES["small"], shape),
        "big": agreed(FRENCH_SIZES["big"], shape),
    }
