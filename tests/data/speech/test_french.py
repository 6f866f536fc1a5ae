"""French agrees: adjectives with their noun, articles with its first letter."""

from __future__ import annotations

import pytest

from omniloom.data.scenes import COLOURS, POSITIONS, SHAPES, SIZES, Scene, SceneObject, describe
from omniloom.data.speech.french import (
    FRENCH_COLOURS,
    FRENCH_POSITIONS,
    FRENCH_SHAPES,
    FRENCH_SIZES,
    french_name,
    of_the,
    parse_french_object,
    with_a,
    with_the,
)
from omniloom.data.speech.words import REPLY_WORDS_IN


def test_a_scene_is_described_with_agreement() -> None:
    scene = Scene(
        (
            SceneObject(shape="circle", colour="red", size="big", position="top left"),
            SceneObject(shape="star", colour="green", size="small", position="bottom right"),
        )
    )
    assert describe(scene, "fr") == "grand cercle rouge en haut à gauche et petite étoile verte en bas à droite"


@pytest.mark.parametrize(
    ("shape", "colour", "a", "the", "of"),
    [
        ("circle", "blue", "un cercle bleu", "le cercle bleu", "du cercle bleu"),
        ("cross", "black", "une croix noire", "la croix noire", "de la croix noire"),
        ("star", "purple", "une étoile violette", "l'étoile violette", "de l'étoile violette"),
        ("ring", "brown", "un anneau marron", "l'anneau marron", "de l'anneau marron"),
    ],
)
def test_articles(shape: str, colour: str, a: str, the: str, of: str) -> None:
    name = french_name(shape, colour)
    assert (with_a(name, shape), with_the(name, shape), of_the(name, shape)) == (a, the, of)


def test_every_thing_of_a_scene_has_a_french_name_of_reply_words() -> None:
    assert (tuple(FRENCH_COLOURS), tuple(FRENCH_SHAPES)) == (COLOURS, SHAPES)
    assert (tuple(FRENCH_SIZES), tuple(FRENCH_POSITIONS)) == (SIZES, POSITIONS)
    said = {
        word
        for shape in SHAPES
        for colour in COLOURS
        for size in SIZES
        for position in POSITIONS
        for word in f"{french_name(shape, colour, size)} {FRENCH_POSITIONS[position]}".split()
    }
    assert said <= set(REPLY_WORDS_IN["fr"])


@pytest.mark.parametrize(
    "words", ["grand étoile verte en haut à gauche", "grande étoile vert en bas à droite", "grand cercle rouge", ""]
)
def test_words_without_agreement_are_no_description(words: str) -> None:
    assert parse_french_object(words) is None
