"""How a request is worded: opener x core x closer, some combinations held out whole.

Every word of a held-out combination occurs in others that are trained on, so *new* tests the wording and not the
vocabulary. The bare core is never held out: it is what people say most.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil
from typing import TypeVar

import numpy as np

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import NEW_TEMPLATES, fraction
from omniloom.data.speech.words import Language

T = TypeVar("T")

QUESTION_OPENERS: dict[Language, tuple[str, ...]] = {
    "en": ("", "so", "hey", "ok", "quick question"),
    "fr": ("", "alors", "dis", "bon", "petite question"),
}
QUESTION_CLOSERS: dict[Language, tuple[str, ...]] = {
    "en": ("", "please", "now", "thanks"),
    "fr": ("", "s'il te plaît", "maintenant", "merci"),
}
REQUEST_OPENERS: dict[Language, tuple[str, ...]] = {
    "en": ("", "please", "now", "hey", "ok"),
    "fr": ("", "s'il te plaît", "maintenant", "alors", "bon"),
}
REQUEST_CLOSERS: dict[Language, tuple[str, ...]] = {
    "en": ("", "please", "for me", "thanks"),
    "fr": ("", "s'il te plaît", "pour moi", "merci"),
}
SPOKEN_OPENERS: dict[Language, tuple[str, ...]] = {
    "en": ("", "now", "please", "hey"),
    "fr": ("", "maintenant", "alors", "bon"),
}
SPOKEN_CLOSERS: dict[Language, tuple[str, ...]] = {"en": ("", "please"), "fr": ("", "s'il te plaît")}
"""Speech costs 50 tokens a second, so spoken wording has fewer extra words."""

NO_ACCENTS_SHARE = 0.15
"""Of typed French: people in a hurry leave accents away."""

BARE_SHARE = 0.5
"""How often training leaves the opener, and likewise the closer, away."""


@dataclass(frozen=True)
class Templates:
    """The wordings of one request in one language; `{}` fields in a core are filled by name."""

    family: str
    cores: tuple[str, ...]
    is_question: bool
    spoken_cores: tuple[str, ...] = ()
    language: Language = "en"

    def fill(
        self, random: np.random.Generator, split: Split, *, is_spoken: bool, **values: str
    ) -> tuple[str, list[str]]:
        """A wording of the split with its fields filled, in lower case without punctuation, and its facts."""
        opener, core, closer = self._choose(random, split, is_spoken)
        words = [opener, core.format(**values), closer]
        manner = "spoken" if is_spoken else "typed"
        return " ".join(filter(None, words)), [f"template:{self._name}|{manner}|{opener}|{core}|{closer}"]

    def _choose(self, random: np.random.Generator, split: Split, is_spoken: bool) -> tuple[str, str, str]:
        combinations = self._spoken if is_spoken else self._typed
        held_out = combinations.held_out
        if split == "new":
            return held_out[int(random.integers(len(held_out)))]
        while True:
            chosen = (
                "" if random.random() < BARE_SHARE else pick(random, combinations.openers),
                pick(random, combinations.cores),
                "" if random.random() < BARE_SHARE else pick(random, combinations.closers),
            )
            if chosen not in held_out and (not chosen[0] or chosen[0] != chosen[2]):
                return chosen

    @cached_property
    def _typed(self) -> Combinations:
        openers, closers = (
            (QUESTION_OPENERS, QUESTION_CLOSERS) if self.is_question else (REQUEST_OPENERS, REQUEST_CLOSERS)
        )
        return Combinations(f"{self._name}|typed", openers[self.language], self.cores, closers[self.language])

    @cached_property
    def _spoken(self) -> Combinations:
        openers, closers = SPOKEN_OPENERS[self.language], SPOKEN_CLOSERS[self.language]
        return Combinations(f"{self._name}|spoken", openers, self.spoken_cores or self.cores, closers)

    @property
    def _name(self) -> str:
        return self.family if self.language == "en" else f"{self.family} in {self.language}"


@dataclass(frozen=True)
class Combinations:
    """All ways to put an opener, a core and a closer together."""

    family: str
    openers: tuple[str, ...]
    cores: tuple[str, ...]
    closers: tuple[str, ...]

    @cached_property
    def held_out(self) -> tuple[tuple[str, str, str], ...]:
        """The combinations kept for *new*: those with the lowest hashes, so that every family has some."""
        full = [c for c in product(self.openers, self.cores, self.closers) if (c[0] or c[2]) and c[0] != c[2]]
        full.sort(key=lambda combination: fraction("template", self.family, *combination))
        return tuple(full[: ceil(NEW_TEMPLATES * len(full))])


def pick(random: np.random.Generator, items: Sequence[T]) -> T:
    """One of the items, each as likely."""
    return items[int(random.integers(len(items)))]


def as_typed(words: str, random: np.random.Generator, *, is_question: bool, language: Language = "en") -> str:
    """Words as people type them: with or without a capital and a mark at the end, and in French without accents."""
    if language == "fr" and random.random() < NO_ACCENTS_SHARE:
        words = without_accents(words)
    mark = "?" if is_question else pick(random, (".", "!", "."))
    style = random.random()
    if style < 0.4:
        return words
    if style < 0.8:
        return words[0].upper() + words[1:] + mark
    return words + mark if style < 0.9 else words[0].upper() + words[1:]


def without_accents(words: str) -> str:
    """Plain letters for those that carry a mark: "etoile" for "étoile"."""
    return "".join(letter for letter in unicodedata.normalize("NFD", words) if not unicodedata.combining(letter))
