"""Small sums, asked in digits, in words or aloud, and answered in words or aloud: 0 to 20, plus and minus.

The answer is never negative, for the ear hears "minus" twice in such a sum and the tongue says it once. A sum whose
operands are held out is never asked in training in any form, nor is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import is_composed_operands
from omniloom.data.problems.templates import Templates, pick
from omniloom.data.problems.turns import asked, spoken_reply, written_reply
from omniloom.data.speech.words import number_words
from omniloom.stream.message import Message

LARGEST_OPERAND = 20
SIGNS = {"plus": "+", "minus": "-"}

SUM = Templates(
    "sum",
    ("what is {sum}", "{sum}", "how much is {sum}", "work out {sum}", "what do you get for {sum}"),
    True,
    spoken_cores=("what is {sum}", "{sum}", "how much is {sum}"),
)


@problems.register("sums")
class SumsProblem(WeightedTasks):
    """Plus and minus with whole numbers from 0 to 20."""

    name = "sums"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn."""

        sum_text: float = 3.0
        sum_audio: float = 1.5
        sum_spoken_text: float = 3.0
        sum_spoken_audio: float = 1.875

    cells: ClassVar[dict[str, str | None]] = {
        "sum_text": "text-to-text",
        "sum_audio": "text-to-audio",
        "sum_spoken_text": "audio-to-text",
        "sum_spoken_audio": "audio-to-audio",
    }

    def __init__(self, config: SumsProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _sum_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._sum("sum_text", random, split)

    def _sum_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._sum("sum_audio", random, split)

    def _sum_spoken_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._sum("sum_spoken_text", random, split)

    def _sum_spoken_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._sum("sum_spoken_audio", random, split)

    def _sum(self, task: str, random: np.random.Generator, split: Split) -> Example:
        first, operation, second = operands_of(random, split)
        is_spoken = "spoken" in task
        written = f"{number_words(first)} {operation} {number_words(second)}"
        if not is_spoken and random.random() < 0.6:
            sign = operation if random.random() < 0.5 else SIGNS[operation]
            written = f"{first} {sign} {second}"
        words, facts = SUM.fill(random, split, is_spoken=is_spoken, sum=written)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=True)
        answer = number_words(first + second if operation == "plus" else first - second)
        reply = spoken_reply(answer) if task.endswith("audio") else written_reply(answer)
        facts = [operands_fact(first, operation, second), *facts, *voice]
        return self.made(task, messages=(Message("user", (part,)), reply), answer=answer, facts=facts)


def operands_of(random: np.random.Generator, split: Split) -> tuple[int, str, int]:
    """Two numbers and what to do with them; of *composed*, a pair held out."""
    while True:
        first, second = (int(number) for number in random.integers(0, LARGEST_OPERAND + 1, 2))
        operation = pick(random, tuple(SIGNS))
        if operation == "minus":
            first, second = max(first, second), min(first, second)
        if is_composed_operands(first, operation, second) == (split == "composed"):
            return first, operation, second


def operands_fact(first: int, operation: str, second: int) -> str:
    """The fact, alike for a sum and its mirror image."""
    if operation == "plus":
        first, second = sorted((first, second))
    return f"operands:{first} {operation} {second}"
