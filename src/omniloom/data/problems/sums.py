"""Sums of whole numbers from 0 to 49, asked in digits, in words or aloud, and answered in words or aloud.

The numbers reach 49 because a rule has to be learned where there are too many sums to remember: of 0 to 20 there are
460, of 0 to 49 there are 2,550. Small ones still come often, for they are what people ask. The answer is never
negative, for the ear hears "minus" twice in such a sum and the tongue says it once. A sum whose operands are held out
is never asked in training in any form, nor is its mirror image.

What was heard is written before the answer ("seven plus five is twelve"), so that hearing and reckoning are learned one
after the other. A second number of two digits is taken in two steps: "twenty seven plus fourteen, plus ten is thirty
seven, plus four is forty one"; so thousands of sums are made of hundreds of steps. No step is a sum that is held out.
Aloud only the answer is said: the other words stand in the text that comes before its sound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import is_composed_operands
from omniloom.data.problems.templates import Templates, pick
from omniloom.data.problems.turns import asked, spoken_reply, written_reply
from omniloom.data.speech.words import number_words
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

LARGEST_OPERAND = 49
SMALL_OPERAND, SMALL_SHARE = 9, 0.35
"""How often both operands are drawn from 0 to 9 and not from all numbers."""
DIGITS_SHARE = 0.6
"""How often a typed sum is in digits and not in words."""
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

        sum_text: float = 14.0
        sum_audio: float = 2.5
        sum_spoken_text: float = 5.0
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
            sign = operation if random.random() < 0.5 else SIGNS[operation]
            written = f"{first} {sign} {second}"
        words, facts = SUM.fill(random, split, is_spoken=is_spoken, sum=written)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=True)
        steps = steps_of(first, operation, second)
        answer = number_words(result(*steps[-1]))
        said = in_words if is_spoken or len(steps) > 1 else ""
        if len(steps) > 1:
            ((_, _, tens), (between, _, units)) = steps
            half = f"{operation} {number_words(tens)} is {number_words(between)}"
            said = f"{said}, {half}, {operation} {number_words(units)}"
        return self.made(
            task,
            messages=(Message("user", (part,)), _reply(task, f"{said} is" if said else "", answer)),
            answer=answer,
            facts=[operands_fact(first, operation, second), *facts, *voice],
            judged_after="is" if task.endswith("text") else None,
        )


def _reply(task: str, understood: str, answer: str) -> Message:
    """The answer in the form of the task, after what was understood; of that, nothing is said aloud."""
    if not task.endswith("audio"):
        return written_reply(f"{understood} {answer}".strip())
    reply = spoken_reply(answer)
    first = reply.parts[0]
    assert isinstance(first, Text)
    return replace(reply, parts=(Text(f"{understood} {first.text}".strip()), *reply.parts[1:]))


def operands_of(random: np.random.Generator, split: Split) -> tuple[int, str, int]:
    """Two numbers and what to do with them; of *composed*, a pair held out, and else no step is one."""
    while True:
        largest = SMALL_OPERAND if random.random() < SMALL_SHARE else LARGEST_OPERAND
        first, second = (int(number) for number in random.integers(0, largest + 1, 2))
        operation = pick(random, tuple(SIGNS))
        if operation == "minus":
            first, second = max(first, second), min(first, second)
        held_out = is_composed_operands(first, operation, second)
        if held_out == (split == "composed") and (
            held_out or not any(map(_is_held_out, steps_of(first, operation, second)))
        ):
            return first, operation, second


def steps_of(first: int, operation: str, second: int) -> list[tuple[int, str, int]]:
    """The sum in one step, or first the tens of the second number and then its units where it has both."""
    tens, units = second // 10 * 10, second % 10
    if not (tens and units):
        return [(first, operation, second)]
    return [(first, operation, tens), (result(first, operation, tens), operation, units)]


def result(first: int, operation: str, second: int) -> int:
    return first + second if operation == "plus" else first - second


def _is_held_out(step: tuple[int, str, int]) -> bool:
    """Whether a step is a sum that *composed* asks; larger numbers are in none."""
    first, operation, second = step
    return max(first, second) <= LARGEST_OPERAND and is_composed_operands(first, operation, second)


def operands_fact(first: int, operation: str, second: int) -> str:
    """The fact, alike for a sum and its mirror image."""
    if operation == "plus":
        first, second = sorted((first, second))
    return f"operands:{first} {operation} {second}"
