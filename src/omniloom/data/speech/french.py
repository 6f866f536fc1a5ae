"""How things in a scene are called in French: gender, agreement, articles.

Scenes themselves are named in English (`scenes`), which needs none of it. A French description keeps the order of an
English one as far as the language allows: "grand cercle rouge en haut à gauche". Colours that are names of things
("orange", "marron", "turquoise") do not agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Forms(NamedTuple):
    """An adjective beside a masculine and a feminine noun."""

    masculine: str
    feminine: str


FRENCH_COLOURS: Mapping[str, Forms] = {
    "red": Forms("rouge", "rouge"),
    "orange": Forms("orange", "orange"),
    "yellow": Forms("jaune", "jaune"),
    "green": Forms("vert", "verte"),
    "cyan": Forms("turquoise", "turquoise"),
    "blue": Forms("bleu", "bleue"),
    "purple": Forms("violet", "violette"),
    "pink": Forms("rose", "rose"),
    "brown": Forms("marron", "marron"),
    "black": Forms("noir", "noire"),
}
FRENCH_SIZES: Mapping[str, Forms] = {"small": Forms("petit", "petite"), "big": Forms("grand", "grande")}
FRENCH_SHAPES: Mapping[str, str] = {
    "circle": "cercle",
    "square": "carré",
    "triangle": "triangle",
    "diamond": "losange",
    "star": "étoile",
    "cross": "croix",
    "ring": "anneau",
    "heart": "coeur",
}
FEMININE_SHAPES = ("star", "cross")
FRENCH_POSITIONS: Mapping[str, str] = {
    "top left": "en haut à gauche",
    "top right": "en haut à droite",
    "bottom left": "en bas à gauche",
    "bottom right": "en bas à droite",
}

_VOWELS = "aeéo"


def agreed(forms: Forms, shape: str) -> str:
    """The form of an adjective beside a shape."""
    return forms.feminine if shape in FEMININE_SHAPES else forms.masculine


def french_name(shape: str, colour: str = "", size: str = "") -> str:
    """A shape with as many of its properties as are given: "petite étoile verte"."""
    before = agreed(FRENCH_SIZES[size], shape) if size else ""
    after = agreed(FRENCH_COLOURS[colour], shape) if colour else ""
    return " ".join(filter(None, (before, FRENCH_SHAPES[shape], after)))


def french_object(*, size: str, colour: str, shape: str, position: str) -> str:
    """The canonical words: "petite étoile verte en haut à gauche"."""
    return f"{french_name(shape, colour, size)} {FRENCH_POSITIONS[position]}"


def with_a(name: str, shape: str) -> str:
    """A name of that shape with the indefinite article: "une étoile"."""
    return f"{'une' if shape in FEMININE_SHAPES else 'un'} {name}"


def with_the(name: str, shape: str) -> str:
    """The definite article: "le cercle", "l'étoile", "la petite étoile"."""
    if name[0] in _VOWELS:
        return f"l'{name}"
    return f"{'la' if shape in FEMININE_SHAPES else 'le'} {name}"


def of_the(name: str, shape: str) -> str:
    """The definite article behind "de": "du cercle", "de l'étoile"."""
    the = with_the(name, shape)
    return f"du {name}" if the.startswith("le ") else f"de {the}"


def parse_french_object(words: str) -> dict[str, str] | None:
    """What `french_object` was made of; None where the words are no such description."""
    size, _, rest = words.partition(" ")
    shape, _, rest = rest.partition(" ")
    colour, _, position = rest.partition(" ")
    shapes = {word: name for name, word in FRENCH_SHAPES.items()}
    if shape not in shapes:
        return None
    found = {
        "size": _name_of(FRENCH_SIZES, size, shapes[shape]),
        "colour": _name_of(FRENCH_COLOURS, colour, shapes[shape]),
        "shape": shapes[shape],
        "position": next((name for name, said in FRENCH_POSITIONS.items() if said == position), None),
    }
    return {kind: name for kind, name in found.items() if name} if all(found.values()) else None


def _name_of(adjectives: Mapping[str, Forms], word: str, shape: str) -> str | None:
    return next((name for name, forms in adjectives.items() if agreed(forms, shape) == word), None)
