"""How an unknown thing is asked about: a topic has ways to ask and things to ask about.

*New* are topics that training never touches, and single things in the others: what is unknown cannot be learned by
heart, so the model has to tell it from what it knows. *Composed* are a way to ask and a thing that each occur in
training and never together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import is_composed_asking, is_new_topic
from omniloom.data.problems.templates import Templates, pick
from omniloom.data.speech.words import Language

VOWELS = tuple("aeiou")
SPOKEN_WITH_Y = ("uni", "ute", "eu")
"""Beginnings that are written with a vowel and said without: "a uniform"."""


@dataclass(frozen=True)
class Topic:
    """Ways to ask, each with `{x}`, and what fills it; a topic is *new* in every language or in none."""

    name: str
    cores: tuple[str, ...]
    things: tuple[str, ...]
    is_question: bool = True
    is_spoken: bool = True
    language: Language = "en"

    @cached_property
    def templates(self) -> Templates:
        return Templates(f"unknown {self.name}", self.cores, self.is_question, language=self.language)

    @cached_property
    def is_new(self) -> bool:
        """Whether training never touches it."""
        return is_new_topic(self.name)

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The things that training asks about; none of a new topic."""
        return tuple(thing for thing in self.things if not self.is_new and not is_new_topic(self.name, thing))

    @cached_property
    def held_out(self) -> tuple[str, ...]:
        return tuple(thing for thing in self.things if thing not in self.trained)


@dataclass(frozen=True)
class Asked:
    """An unknown thing in words, whether that is a question, and its facts."""

    words: str
    is_question: bool
    facts: list[str]


def ask(topics: Sequence[Topic], random: np.random.Generator, split: Split, *, is_spoken: bool) -> Asked:
    """Something of a topic of the split, each topic as likely; of *new*, half are of new topics."""
    usable = [topic for topic in topics if topic.is_spoken or not is_spoken]
    if split == "new":
        new = [topic for topic in usable if topic.is_new]
        others = [topic for topic in usable if not topic.is_new and topic.held_out]
        return _asked(pick(random, new if new and (not others or random.random() < 0.5) else others), random, split)
    usable = [topic for topic in usable if topic.trained]
    while True:
        found = _asked(pick(random, usable), random, split, is_spoken=is_spoken)
        if ("asking:" in found.facts[0]) == (split == "composed"):
            return found


def _asked(topic: Topic, random: np.random.Generator, split: Split, *, is_spoken: bool = False) -> Asked:
    thing = pick(random, topic.held_out if split == "new" else topic.trained)
    words, facts = topic.templates.fill(random, split, is_spoken=is_spoken, x=thing)
    if topic.language == "en" and thing.startswith(VOWELS) and not thing.startswith(SPOKEN_WITH_Y):
        words = words.replace(f" a {thing}", f" an {thing}")
    core = facts[0].split("|")[3]
    fact = f"topic:{topic.name}/{thing}"
    if split != "new" and is_composed_asking(core, thing):
        fact = f"asking:{core}/{thing}"
    return Asked(words, topic.is_question, [fact, *facts])
