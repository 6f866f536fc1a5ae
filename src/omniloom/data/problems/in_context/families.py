"""Families of mappings from something given to an answer, of which a prompt shows examples.

Each family has so many mappings that one has to be read off the prompt, and which of them are never trained on is
decided by a hash of the mapping's name, so a test can go through all of them. What is held out is the mapping as a
whole: of two ciphers that differ in two letters one may be trained on and the other not.

What is given stands right before its answer, without a space or an arrow, and everything but the words is single
letters and digits. With a mark between them a model of two layers did not find within minutes what it found in seconds
without: where to look in a prompt is learned from the token before an answer, and a mark is the same before all of
them. Left out as well: pairs of digits to their sum plus a constant, which needs addition to be learned first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import NamedTuple, Protocol

import numpy as np

from omniloom.data.problems.holdout import fraction
from omniloom.data.problems.in_context.words import CLASSES

HELD_OUT_SHARE = 0.15
"""Of each family's mappings, how many are never trained on."""


class Solved(NamedTuple):
    """Something given, and the answer to it."""

    given: str
    answer: str

    @property
    def line(self) -> str:
        """As a prompt shows it."""
        return f"{self.given}{self.answer}\n"


class Mapping(Protocol):
    """One mapping; `options` are the answers that it has, where they are few, else empty."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    def item(self, random: np.random.Generator) -> Solved:
        """An item at random, in its hardest form."""
        ...

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        """Items to train on, which may come twice and may be easier."""
        ...


class Family(Protocol):
    """A kind of mapping; at most `most_shots` solved items stand in a prompt."""

    @property
    def name(self) -> str: ...

    @property
    def most_shots(self) -> int: ...

    def draw(self, random: np.random.Generator) -> Mapping:
        """One of its mappings, each as likely as any other."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all its mappings."""
        ...


def is_held_out(name: str) -> bool:
    """Whether the mapping of this name is never trained on."""
    return fraction("mapping", name) < HELD_OUT_SHARE


def drawn(family: Family, random: np.random.Generator, *, held_out: bool) -> Mapping:
    """A mapping of a family that is, or is not, held out."""
    while is_held_out((mapping := family.draw(random)).name) is not held_out:
        pass
    return mapping


def different_items(mapping: Mapping, random: np.random.Generator, count: int) -> list[Solved]:
    """Items of a mapping in its hardest form, no two with the same given."""
    found: dict[str, Solved] = {}
    while len(found) < count:
        item = mapping.item(random)
        found.setdefault(item.given, item)
    return list(found.values())


LETTERS, OTHERS = "ABCDEFGH", "NPQRSTUV"


@dataclass(frozen=True)
class Cipher:
    """Three letters, each replaced by its own: "BADPNR".

    Training also has words of one letter and of two, and prompts in which few of the letters come: with two letters
    already a guess from what the prompt holds is right half of the time, and there learning begins.
    """

    others: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"cipher:{self.others}"

    def item(self, random: np.random.Generator) -> Solved:
        return self._word(random, LETTERS, 3)

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        used = self._some(random)
        length = int(random.integers(1, 4))
        return [self._word(random, used, length) for _ in range(count)]

    def letters(self, random: np.random.Generator, count: int) -> list[Solved]:
        """Items of one letter, of which two to four come."""
        used = self._some(random)[: int(random.integers(2, 5))]
        return [self._word(random, used, 1) for _ in range(count)]

    def _some(self, random: np.random.Generator) -> str:
        return "".join(random.permutation(list(LETTERS))[: int(random.integers(2, len(LETTERS) + 1))])

    def _word(self, random: np.random.Generator, used: str, length: int) -> Solved:
        given = "".join(random.choice(list(used), length))
        return Solved(given, given.translate(str.maketrans(LETTERS, self.others)))


class Ciphers:
    """Eight letters to eight others: 40,320 mappings."""

    name, most_shots = "cipher", 16

    def draw(self, random: np.random.Generator) -> Cipher:
        return Cipher("".join(random.permutation(list(OTHERS))))

    def names(self) -> Iterator[str]:
        return (Cipher("".join(own)).name for own in permutations(OTHERS))


class Marked(Cipher):
    """One letter behind two digits that say nothing: "47AN". What is asked never stands in the prompt as a whole."""

    def item(self, random: np.random.Generator) -> Solved:
        return self._marked(random, LETTERS)

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        used = self._some(random)
        return [self._marked(random, used) for _ in range(count)]

    def _marked(self, random: np.random.Generator, used: str) -> Solved:
        word = self._word(random, used, 1)
        return Solved(f"{random.integers(0, 100):02d}{word.given}", word.answer)


class Letters:
    """The same ciphers of single letters."""

    name, most_shots = "letter", 16

    def draw(self, random: np.random.Generator) -> Marked:
        return Marked(Ciphers().draw(random).others)

    def names(self) -> Iterator[str]:
        return Ciphers().names()


@dataclass(frozen=True)
class Order:
    """Five different letters, and then the same in another order."""

    places: tuple[int, ...]
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "order:" + "".join(map(str, self.places))

    def item(self, random: np.random.Generator) -> Solved:
        letters = random.permutation(list(LETTERS + OTHERS))[: len(self.places)].tolist()
        return Solved("".join(letters), "".join(letters[place] for place in self.places))

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        return [self.item(random) for _ in range(count)]


class Orders:
    """The orders of five places: 120 mappings."""

    name, most_shots = "order", 10
    num_places = 5

    def draw(self, random: np.random.Generator) -> Order:
        return Order(tuple(random.permutation(self.num_places).tolist()))

    def names(self) -> Iterator[str]:
        return (Order(own).name for own in permutations(range(self.num_places)))


@dataclass(frozen=True)
class Naming:
    """A word of one of a few classes, and the digit that stands for its class: "lion7"."""

    digits: Table[str, str]

    @property
    def name(self) -> str:
        return "labels:" + ",".join(f"{kind}={digit}" for kind, digit in sorted(self.digits.items()))

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(sorted(self.digits.values()))

    def item(self, random: np.random.Generator) -> Solved:
        kind = str(random.choice(sorted(self.digits)))
        return Solved(str(random.choice(CLASSES[kind])), self.digits[kind])

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        return [self.item(random) for _ in range(count)]


class Namings:
    """Three of eight classes of words, each with one of ten digits: 40,320 mappings."""

    name, most_shots = "labels", 16
    num_classes = 3

    def draw(self, random: np.random.Generator) -> Naming:
        kinds, digits = (random.permutation(list(own))[: self.num_classes].tolist() for own in (CLASSES, "0123456789"))
        return Naming(dict(zip(kinds, digits, strict=True)))

    def names(self) -> Iterator[str]:
        for kinds in combinations(CLASSES, self.num_classes):
            for digits in permutations("0123456789", self.num_classes):
                yield Naming(dict(zip(kinds, digits, strict=True))).name


RULES: dict[str, Callable[[int, int], bool]] = {
    "first>second": lambda first, second: first > second,
    "first even": lambda first, second: first % 2 == 0,
    "second even": lambda first, second: second % 2 == 0,
    "first>4": lambda first, second: first > 4,
    "second>4": lambda first, second: second > 4,
    "sum>9": lambda first, second: first + second > 9,
}
"""What may be asked of two digits."""


@dataclass(frozen=True)
class Rule:
    """Two digits, and one letter where the rule holds, another where it does not: "47K"."""

    rule: str
    letters: tuple[str, str]

    @property
    def name(self) -> str:
        return f"rules:{self.rule}?{self.letters[0]}:{self.letters[1]}"

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(sorted(self.letters))

    def item(self, random: np.random.Generator) -> Solved:
        first, second = (int(digit) for digit in random.integers(0, 10, 2))
        return Solved(f"{first}{second}", self.letters[0 if RULES[self.rule](first, second) else 1])

    def items(self, random: np.random.Generator, count: int) -> list[Solved]:
        return [self.item(random) for _ in range(count)]


class Rules:
    """Six rules with two of eight letters each: 336 mappings."""

    name, most_shots = "rules", 16

    def draw(self, random: np.random.Generator) -> Rule:
        first, second = random.permutation(list(OTHERS))[:2].tolist()
        return Rule(str(random.choice(list(RULES))), (first, second))

    def names(self) -> Iterator[str]:
        return (Rule(rule, own).name for rule in RULES for own in permutations(OTHERS, 2))


FAMILIES: dict[str, Family] = {family.name: family for family in (Letters(), Ciphers(), Orders(), Namings(), Rules())}
"""By name."""
