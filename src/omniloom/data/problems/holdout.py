"""Which things are never trained on: one rule, a hash of the thing's own name.

A hash keeps the choice the same on every machine and in every version without a list in the repository. Held-out word
pairs leave out those that the language of scenes, numbers and films needs anyway ("top left", "twenty one"): they are
spoken in training by other problems, so calling them unseen would be false.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise

from omniloom.data.clip_sounds import SOUNDS
from omniloom.data.scenes import HELD_OUT_PAIRS
from omniloom.data.speech.french import FRENCH_COLOURS, FRENCH_SHAPES
from omniloom.data.speech.words import (
    COLOUR_WORDS,
    DIGIT_WORDS,
    FRENCH_COLOUR_WORDS,
    FRENCH_POSITION_WORDS,
    FRENCH_SHAPE_WORDS,
    FRENCH_SIZE_WORDS,
    MINUS_WORD,
    PHRASE_WORDS_IN,
    POSITION_WORDS,
    SHAPE_WORDS,
    SIZE_WORDS,
    TEEN_WORDS,
    TENS_WORDS,
    Language,
)

HELD_OUT_KINDS = {
    "new": ("template", "voice", "take", "phrase", "scene", "topic", "placement"),
    "composed": ("pair", "operands", "bigram", "asking", "spot", "drawing"),
}
"""The kinds of facts that each split holds out: of these, none of its training counterparts is among the held-out."""

NEW_TEMPLATES, NEW_PHRASES, NEW_SCENES = 0.15, 0.15, 0.10
COMPOSED_OPERANDS, COMPOSED_BIGRAMS = 0.10, 0.08
NEW_TOPICS, COMPOSED_ASKINGS = 0.12, 0.10


def fraction(*key: object) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_new_phrase(phrase: str) -> bool:
    """Whether a phrase of two words or more is kept for *new*; single words are too few to spare any."""
    return " " in phrase and fraction("phrase", phrase) < NEW_PHRASES


def is_new_scene(description: str) -> bool:
    """Whether a scene of two objects or more is kept for *new*; each single object is shown in training."""
    return " and " in description and fraction("scene", description) < NEW_SCENES


def is_composed_operands(first: int, operation: str, second: int) -> bool:
    """Whether two operands are kept for *composed*; a sum and its mirror image go together."""
    if operation == "plus":
        first, second = sorted((first, second))
    return fraction("operands", first, operation, second) < COMPOSED_OPERANDS


def is_new_topic(*name: str) -> bool:
    """Whether something unknown is kept for *new*: a whole topic, or one thing in it."""
    return fraction("topic", *name) < NEW_TOPICS


def is_composed_asking(*parts: str) -> bool:
    """Whether a way to ask and the unknown thing asked about are kept for *composed*."""
    return fraction("asking", *parts) < COMPOSED_ASKINGS


@cache
def is_composed_bigram(first: str, second: str, language: Language = "en") -> bool:
    """Whether two neighbouring reply words are kept for *composed*."""
    if language == "fr":
        pair = french_pair(first, second)
        if pair is not None:
            return is_held_out_pair(*pair)
        return not _is_ordinary_french(first, second) and fraction("bigram", language, first, second) < COMPOSED_BIGRAMS
    if first in COLOUR_WORDS and second in SHAPE_WORDS:
        return is_held_out_pair(first, second)
    if _is_ordinary(first, second):
        return False
    return fraction("bigram", first, second) < COMPOSED_BIGRAMS


def french_pair(shape: str, colour: str) -> tuple[str, str] | None:
    """The colour and shape, in their English names, that two French words name one after the other."""
    shapes = [name for name, word in FRENCH_SHAPES.items() if word == shape]
    colours = [name for name, forms in FRENCH_COLOURS.items() if colour in forms]
    return (colours[0], shapes[0]) if shapes and colours else None


def is_held_out_pair(colour: str, shape: str) -> bool:
    """Whether a shape is never shown, drawn or named in this colour in training."""
    return (colour, shape) in HELD_OUT_PAIRS


def composed_bigrams_in(phrase: str, language: Language = "en") -> list[str]:
    """The held-out neighbours in a phrase of reply words."""
    words = phrase.split()
    return [f"{a} {b}" for a, b in pairwise(words) if is_composed_bigram(a, b, language)]


def phrase_facts(phrase: str, language: Language = "en") -> list[str]:
    """The phrase, where it is more than a word, and each pair of neighbours in it; those of French say so."""
    words = phrase.split()
    mark = "" if language == "en" else f"{language} "
    pairs = [f"bigram:{mark}{a} {b}" for a, b in pairwise(words)]
    return [*([f"phrase:{mark}{phrase}"] if pairs else []), *pairs]


@cache
def composed_bigrams(language: Language = "en") -> tuple[tuple[str, str], ...]:
    """Every held-out pair of neighbours, in the order of the word list."""
    words = PHRASE_WORDS_IN[language]
    return tuple((a, b) for a in words for b in words if is_composed_bigram(a, b, language))


def _is_ordinary(first: str, second: str) -> bool:
    """Whether scenes, numbers or films put these two side by side."""
    numbers = (*DIGIT_WORDS, *TEEN_WORDS, *TENS_WORDS)
    return (
        (first in SIZE_WORDS and second in COLOUR_WORDS)
        or (first in (*SHAPE_WORDS, *POSITION_WORDS) and second in (*POSITION_WORDS, "and"))
        or (first == "and" and second in (*SIZE_WORDS, *COLOUR_WORDS))
        or (first in TENS_WORDS and second in DIGIT_WORDS)
        or (first == MINUS_WORD and second in numbers)
        or (first in SHAPE_WORDS and second == "goes")
        or (first == "goes" and second in POSITION_WORDS)
        or (first in SOUNDS and second == "then")
        or (first == "then" and second in SOUNDS)
    )


def _is_ordinary_french(first: str, second: str) -> bool:
    """Whether descriptions of scenes put these two side by side."""
    return (
        (first in FRENCH_SIZE_WORDS and second in FRENCH_SHAPE_WORDS)
        or (first in (*FRENCH_COLOUR_WORDS, *FRENCH_POSITION_WORDS) and second in (*FRENCH_POSITION_WORDS, "et"))
        or (first == "et" and second in (*FRENCH_SIZE_WORDS, *FRENCH_SHAPE_WORDS))
    )
