"""Which things are never trained on: one rule, a hash of the thing's own name.

A hash keeps the choice the same on every machine and in every version without a list in the repository. Held-out word
pairs leave out those that the language of scenes and numbers needs anyway ("top left", "twenty one"): they are spoken
in training by other problems, so calling them unseen would be false.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise

from omniloom.data.scenes import HELD_OUT_PAIRS
from omniloom.data.speech.words import (
    COLOUR_WORDS,
    DIGIT_WORDS,
    MINUS_WORD,
    POSITION_WORDS,
    REPLY_WORDS,
    SHAPE_WORDS,
    SIZE_WORDS,
    TEEN_WORDS,
    TENS_WORDS,
)

HELD_OUT_KINDS = {
    "new": ("template", "voice", "take", "phrase", "scene"),
    "composed": ("pair", "operands", "bigram"),
}
"""The kinds of facts that each split holds out: of these, none of its training counterparts is among the held-out."""

NEW_TEMPLATES, NEW_PHRASES, NEW_SCENES = 0.15, 0.15, 0.10
COMPOSED_OPERANDS, COMPOSED_BIGRAMS = 0.10, 0.08


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


@cache
def is_composed_bigram(first: str, second: str) -> bool:
    """Whether two neighbouring reply words are kept for *composed*."""
    if first in COLOUR_WORDS and second in SHAPE_WORDS:
        return is_held_out_pair(first, second)
    if _is_ordinary(first, second):
        return False
    return fraction("bigram", first, second) < COMPOSED_BIGRAMS


def is_held_out_pair(colour: str, shape: str) -> bool:
    """Whether a shape is never shown, drawn or named in this colour in training."""
    return (colour, shape) in HELD_OUT_PAIRS


def composed_bigrams_in(phrase: str) -> list[str]:
    """The held-out neighbours in a phrase of reply words."""
    words = phrase.split()
    return [f"{a} {b}" for a, b in pairwise(words) if is_composed_bigram(a, b)]


def phrase_facts(phrase: str) -> list[str]:
    """The phrase, where it is more than a word, and each pair of neighbours in it."""
    words = phrase.split()
    pairs = [f"bigram:{a} {b}" for a, b in pairwise(words)]
    return [*([f"phrase:{phrase}"] if pairs else []), *pairs]


@cache
def composed_bigrams() -> tuple[tuple[str, str], ...]:
    """Every held-out pair of neighbours, in the order of the word list."""
    return tuple((a, b) for a in REPLY_WORDS for b in REPLY_WORDS if is_composed_bigram(a, b))


def _is_ordinary(first: str, second: str) -> bool:
    """Whether scenes or numbers put these two side by side."""
    numbers = (*DIGIT_WORDS, *TEEN_WORDS, *TENS_WORDS)
    return (
        (first in SIZE_WORDS and second in COLOUR_WORDS)
        or (first in (*SHAPE_WORDS, *POSITION_WORDS) and second in (*POSITION_WORDS, "and"))
        or (first == "and" and second in (*SIZE_WORDS, *COLOUR_WORDS))
        or (first in TENS_WORDS and second in DIGIT_WORDS)
        or (first == MINUS_WORD and second in numbers)
    )
