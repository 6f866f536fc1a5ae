"""Phrases of the closed list of reply words: what is said, repeated and written down.

They mean nothing on purpose. A phrase that makes sense can be guessed from half of its sound; of these, every word has
to be heard and said.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import (
    composed_bigrams,
    composed_bigrams_in,
    is_new_phrase,
)
from omniloom.data.problems.templates import pick
from omniloom.data.words import REPLY_WORDS

Lengths = tuple[float, float, float, float]
"""How often a phrase has one, two, three and four words."""


def phrase_of(random: np.random.Generator, split: Split, lengths: Lengths) -> str:
    """A phrase of the split; those of *new* and *composed* have two words or more."""
    shares = np.array(lengths if split == "train" else (0.0, *lengths[1:]))
    if shares.sum() <= 0:
        raise ValueError(f"lengths {lengths} leave no phrase of two words or more, which {split!r} needs")
    num_words = 1 + int(random.choice(len(shares), p=shares / shares.sum()))
    while True:
        words = [pick(random, REPLY_WORDS) for _ in range(num_words)]
        if split == "composed":
            place = int(random.integers(num_words - 1))
            words[place : place + 2] = pick(random, composed_bigrams())
            return " ".join(words)
        phrase = " ".join(words)
        if not composed_bigrams_in(phrase) and is_new_phrase(phrase) == (split == "new"):
            return phrase


def phrase_facts(phrase: str) -> list[str]:
    """The phrase, where it is more than a word, and each pair of neighbours in it."""
    words = phrase.split()
    pairs = [f"bigram:{a} {b}" for a, b in pairwise(words)]
    return [*([f"phrase:{phrase}"] if pairs else []), *pairs]
