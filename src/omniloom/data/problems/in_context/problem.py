"""The `in_context` problem: solved items of a mapping drawn anew for each example, and an item to be solved.

The user's turn holds the solved items and the question, the reply its answer, exactly as the few-shot runner asks. How
many are solved is drawn too, from none on, so that every number of shots is known from training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.in_context.families import FAMILIES, Cipher, Mapping, Solved, drawn
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

RECALL_SHOTS = 11


@problems.register("in_context")
class InContextProblem(WeightedTasks):
    """Ciphers, orders, labels and rules; mappings held out for *new* and *composed* alike."""

    name = "in_context"
    group = "in_context"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each family is drawn; `recall` is a cipher of one letter in a long prompt, the easiest there is."""

        recall: float = 1.0
        letter: float = 3.0
        cipher: float = 1.0
        order: float = 0.5
        labels: float = 1.0
        rules: float = 0.5

    cells: ClassVar[dict[str, str | None]] = dict.fromkeys(("recall", *FAMILIES))

    def __init__(self, config: InContextProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _recall(self, random: np.random.Generator, split: Split) -> Example:
        mapping = drawn(FAMILIES["cipher"], random, held_out=split != "train")
        assert isinstance(mapping, Cipher)
        return self._example("recall", mapping, mapping.letters(random, RECALL_SHOTS + 1))

    def _letter(self, random: np.random.Generator, split: Split) -> Example:
        return self._of("letter", random, split)

    def _cipher(self, random: np.random.Generator, split: Split) -> Example:
        return self._of("cipher", random, split)

    def _order(self, random: np.random.Generator, split: Split) -> Example:
        return self._of("order", random, split)

    def _labels(self, random: np.random.Generator, split: Split) -> Example:
        return self._of("labels", random, split)

    def _rules(self, random: np.random.Generator, split: Split) -> Example:
        return self._of("rules", random, split)

    def _of(self, task: str, random: np.random.Generator, split: Split) -> Example:
        family = FAMILIES[task]
        mapping = drawn(family, random, held_out=split != "train")
        return self._example(task, mapping, mapping.items(random, int(random.integers(0, family.most_shots + 1)) + 1))

    def _example(self, task: str, mapping: Mapping, items: Sequence[Solved]) -> Example:
        *shown, asked = items
        text = "".join(own.line for own in shown) + asked.given
        return self.made(
            task,
            messages=(Message("user", (Text(text),)), Message("assistant", (Text(asked.answer),))),
            answer=asked.answer,
            facts=[f"mapping:{mapping.name}"],
        )
