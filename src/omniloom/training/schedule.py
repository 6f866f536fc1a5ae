"""The learning rate over a run: warm-up, stable, decay.

The stable stretch lets a run be lengthened without planning its end (Hu et al. 2024, MiniCPM, section 4); the decay is
linear to zero, which did at least as well as a cosine in that paper's comparison and in Bergsma et al. 2025.
"""

from __future__ import annotations

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
