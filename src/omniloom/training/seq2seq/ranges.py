"""Hyper-parameter sets with ranges: which settings may be searched, and draws of them by a seed.

A ranged set is a function that gives, for paths of a set, where their values may lie; Tensor2Tensor tunes by such sets.
Draws are random (Bergstra & Bengio 2012): of few settings that matter among many, a grid of equal cost tries fewer
values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from omniloom.core.randomness import generator
from omniloom.core.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values from `low` to `high`, by their logarithm or whole ones where said, or one of `choices`."""

    low: float | None = None
    high: float | None = None
    is_log: bool = False
    is_whole: bool = False
    choices: tuple[str | int | float, ...] = ()

    def __post_init__(self) -> None:
        if self.choices and (self.low is not None or self.high is not None):
            raise ValueError(f"a range has choices or ends, got {self}")
        if self.choices:
            return
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"a range needs low below high, or choices, got low {self.low} and high {self.high}")
        if self.is_log and self.low <= 0:
            raise ValueError(f"a range by logarithm must lie above 0, got low {self.low}")

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        return f"from {self.low} to {self.high}" + (", by its logarithm" if self.is_log else "")

    def at(self, place: float) -> str:
        """The value at a place in [0, 1), as text for an override."""
        if self.choices:
            return str(self.choices[int(place * len(self.choices))])
        assert self.low is not None and self.high is not None
        if self.is_whole:
            return str(int(self.low + place * (self.high + 1 - self.low)))
        if self.is_log:
            return f"{math.exp(math.log(self.low) + place * math.log(self.high / self.low)):.4g}"
        return f"{self.low + place * (self.high - self.low):.4g}"


Ranges = Mapping[str, Range]

ranged_hparams: Registry[Callable[[], Ranges]] = Registry("ranged hyper-parameter set")
"""Functions that give the ranges of a set's settings, by path."""


@ranged_hparams.register("transformer_base_range")
def transformer_base_range() -> Ranges:
    """Tensor2Tensor's: rate, warm-up and Adam's averages.

    Its ranges of the initializer's gain and of weight decay are left out: the reference model has neither setting.
    """
    return {
        "schedule.constant": Range(low=0.3, high=3.0, is_log=True),
        "schedule.warmup_steps": Range(choices=(1000, 2000, 4000, 8000, 16000)),
        "optimizer.beta1": Range(low=0.85, high=0.95),
        "optimizer.beta2": Range(low=0.97, high=0.99),
    }


@ranged_hparams.register("transformer_short_range")
def transformer_short_range() -> Ranges:
    """For runs of a few thousand steps on one core: rate, warm-up, tokens a batch and dropout."""
    return {
        "schedule.constant": Range(low=0.3, high=3.0, is_log=True),
        "schedule.warmup_steps": Range(choices=(200, 400, 800, 1600)),
        "batching.batch_tokens": Range(choices=(512, 1024, 2048, 4096)),
        "model.dropout": Range(choices=(0.0, 0.1, 0.2, 0.3)),
    }


def draw(ranges: Ranges, *, number: int, seed: int) -> dict[str, str]:
    """The draw of a number, from 0: settings by path, the same for a seed whatever was drawn before.

    Raises:
        ValueError: If the number is negative.
    """
    if number < 0:
        raise ValueError(f"draws count from 0, got {number}")
    return {path: own.at(float(generator("draw", seed, number, path).random())) for path, own in sorted(ranges.items())}
