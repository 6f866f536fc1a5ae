"""Sums of whole numbers from 0 to 49, asked in digits, in words or aloud, and answered in words or aloud.

The numbers reach 49 because a rule has to be learned where there are too many sums to remember: of 0 to 20 there are
460, of 0 to 49 there are 2,550. Small ones still come often, for they are what people ask. The answer is never
negative, for the ear hears "minus" twice in such a sum and the tongue says it once. A sum whose operands are held out
is never asked in training in any form, nor is its mirror image.

The sum is written in digits, always two to a number, before the answer: "27+14=41: forty one", "08-05=03: three". So
hearing and reckoning are learned one after the other, and every sum is one of tens and one of units, each digit a token
in its own place; what is known of 18 - 5 and 28 - 5 then tells 8 - 5 too. Aloud only the answer is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import HEARD_MARK, Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import is_composed_operands
from omniloom.data.problems.templates import Templates, pick
from omniloom.data.problems.turns import after_what_was_heard, asked, spoken_reply, written_reply
from omniloom.data.speech.words import number_words
from omniloom.stream.message import Message

LARGEST_OPERAND = 49
SMALL_OPERAND, SMALL_SHARE = 9, 0.35
"""How often both operands are drawn from 0 to 9 and not from all numbers."""
DIGITS_SHARE = 0.6
"""How often a typed sum is in digits and not in words."""
TIGHT_SHARE = 0.4
"""How often a sum with a sign is typed without spaces, "27+14"."""
SIGNS = {"plus": "+", "minus": "-"}

SUM = Templates(
    "sum",
    ("what is {sum}", "{sum}", "how much is {sum}", "work out {sum}", "what do you get for {sum}"),
    True,
    spoken_cores=("what is {sum}", "{sum}", "how much is {sum}"),
)


@problems.register("sums")
class SumsProblem(WeightedTasks):
    """Plus and minus with whole numbers from 0 to 49."""

    name = "sums"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn."""

        sum_text: float = 8.0
        sum_audio: float = 2.0
        sum_spoken_text: float = 4.0
        sum_spoken_audio: float = 1.5

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
        in_words = f"{number_words(first)} {operation} {number_words(second)}"
        written = in_words
        if not is_spoken and random.random() < DIGITS_SHARE:
            sign = f" {operation} "
            if random.random() < 0.5:
                sign = SIGNS[operation] if random.random() < TIGHT_SHARE else f" {SIGNS[operation]} "
            written = f"{first}{sign}{second}"
        words, facts = SUM.fill(random, split, is_spoken=is_spoken, sum=written)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=True)
        answer = number_words(result(first, operation, second))
        reply = written_reply(answer) if task.endswith("text") else spoken_reply(answer)
        return self.made(
            task,
            messages=(Message("user", (part,)), after_what_was_heard(reply, in_digits(first, operation, second))),
            answer=answer,
            facts=[operands_fact(first, operation, second), *facts, *voice],
            judged_after=HEARD_MARK,
        )


def in_digits(first: int, operation: str, second: int) -> str:
    """The sum reckoned in columns: "27+14=41", "08-05=03"."""
    return f"{first:02d}{SIGNS[operation]}{second:02d}={result(first, operation, second):02d}"


def operands_of(random: np.random.Generator, split: Split) -> tuple[int, str, int]:
    """Two numbers and what to do with them; of *composed*, a pair held out."""
    while True:
        largest = SMALL_OPERAND if random.random() < SMALL_SHARE else LARGEST_OPERAND
        first, second = (int(number) for number in random.integers(0, largest + 1, 2))
        operation = pick(random, tuple(SIGNS))
        if operation == "minus":
            first, second = max(first, second), min(first, second)
        if is_composed_operands(first, operation, second) == (split == "composed"):
            return first, operation, second


def result(first: int, operation: str, second: int) -> int:
    return first + second if operation == "plus" else first - second


def operands_fact(first: int, operation: str, second: int) -> str:
    """The fact, alike for a sum and its mirror image."""
    if operation == "plus":
        first, second = sorted((first, second))
    return f"operands:{first} {operation} {second}"
