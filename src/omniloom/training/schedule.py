"""The learning rate over a run: warm-up, stable, decay; a cosine; or the rate of the encoder-decoder Transformer.

The stable stretch lets a run be lengthened without planning its end (Hu et al. 2024, MiniCPM, section 4); the decay is
linear to zero, which did at least as well as a cosine in that paper's comparison and in Bergsma et al. 2025. The cosine
is what Codex was fine-tuned with. `Noam` is Tensor2Tensor's, after Vaswani et al. 2017, section 5.3; it knows no end,
so a run may go on as long as it gains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WarmupStableDecay:
    """Linear warm-up over `warmup_steps`, then the full rate, then linear decay over the last `decay_fraction`."""

    warmup_steps: int = 100
    decay_fraction: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.decay_fraction <= 1:
            raise ValueError(f"decay_fraction must be between 0 and 1, got {self.decay_fraction}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, got {self.warmup_steps}")

    def scale(self, step: int, *, num_steps: int) -> float:
        """The factor on the base rate at `step` (from 0) of `num_steps`."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay_steps = self.decay_fraction * num_steps
        decay = min(1.0, (num_steps - step) / decay_steps) if decay_steps else 1.0
        return max(0.0, min(warmup, decay))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Linear warm-up over `warmup_steps`, then half a cosine down to `last` of the rate (Loshchilov & Hutter 2017)."""

    warmup_steps: int = 175
    last: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, got {self.warmup_steps}")
        if not 0 <= self.last <= 1:
            raise ValueError(f"last must be between 0 and 1, got {self.last}")

    def scale(self, step: int, *, num_steps: int) -> float:
        """The factor on the base rate at `step` (from 0) of `num_steps`."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        share = min(1.0, (step - self.warmup_steps) / max(1, num_steps - self.warmup_steps))
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True, kw_only=True)
class Noam:
    """constant x width^-0.5 x min(1, s / warmup_steps) x max(s, warmup_steps)^-0.5, with s = step + first_step.

    The defaults are those of `transformer_base`. Steps count from 0, as Tensor2Tensor's do where its rate is told as a
    product of factors, so the very first step has rate 0: it only fills Adam's averages. The older, `legacy` form
    counts from 1.
    """

    constant: float = 2.0
    warmup_steps: int = 8000
    first_step: int = 0

    def __post_init__(self) -> None:
        if not self.constant > 0:
            raise ValueError(f"constant must be above 0, got {self.constant}")
        if self.warmup_steps < 1:
            raise ValueError(f"warmup_steps must be at least 1, got {self.warmup_steps}")
        if self.first_step not in (0, 1):
            raise ValueError(f"first_step must be 0 or 1, got {self.first_step}")

    @classmethod
    def legacy(cls, *, learning_rate: float, warmup_steps: int) -> Noam:
        """0.002 x learning_rate x 5000 x width^-0.5 x min((step + 1) x warmup_steps^-1.5, (step + 1)^-0.5).

        That is the same with constant 10 x learning_rate, one step ahead.
        """
        return cls(constant=0.002 * 5000 * learning_rate, warmup_steps=warmup_steps, first_step=1)

    def rate(self, step: int, *, width: int) -> float:
        """The rate of step number `step`, from 0, of a model of this width."""
        number = step + self.first_step
        warmup = min(1.0, number / self.warmup_steps)
        return self.constant * width**-0.5 * warmup * max(number, self.warmup_steps) ** -0.5
