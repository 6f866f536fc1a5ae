"""How a discrete VAE is trained: the evidence lower bound, with a temperature that falls and a KL weight that rises.

Ramesh et al. 2021, appendix A.2: tau falls from 1 to 1/16 along a half cosine over the first eighth of the run (150,000
of 1.2 million updates), the KL weight rises from 0 to 6.6 along one over the first 5,000 updates, and the bound is
divided by the number of a picture's values, so that the KL term, the mean over positions, has the weight 6.6 / 192 at
three values in each of 8 x 8 pixels. `Relaxation` takes both as shares of a run. In a few thousand updates that leaves
nine tenths of the codes unused (docs/lab-notes.md); `Relaxation.short_run` is what does not. Under finite scalar
quantization neither does anything: what is left is the likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.codecs.image.dvae.likelihood import likeliest_pixels, pixel_nll
from omniloom.core.randomness import torch_generator
from omniloom.training.protocols import WeightedLoss

VALUES_PER_CODE = 192
"""What the published weight is divided by, whatever the squares of a codec: with 4 x 4 pixels a code, dividing by their
48 values used fewer codes and was no more exact (docs/lab-notes.md)."""


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """`start` to `end` along a half cosine over the first `share` of a run, then `end`."""

    start: float
    end: float
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share}")

    def at(self, step: int, *, num_steps: int) -> float:
        """The value at `step`, from 0, of `num_steps`."""
        length = self.share * num_steps
        done = min(1.0, step / length) if length else 1.0
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """Temperature, KL weight and the scale of the Gumbel noise over a run: as published, or `short_run`."""

    temperature: Annealing = field(default_factory=lambda: Annealing(start=1.0, end=1 / 16, share=0.5))
    kl_weight: Annealing = field(default_factory=lambda: Annealing(start=0.0, end=6.6, share=0.1))
    """Of the mean over codes, once divided by `VALUES_PER_CODE`, beside the mean over a pixel's values."""
    noise_scale: Annealing = field(default_factory=lambda: Annealing(start=1.0, end=1.0, share=0.0))
    """At s a code is drawn from softmax(logits / s): from its own distribution at 1, the likeliest one at 0."""

    @classmethod
    def short_run(cls) -> Relaxation:
        """For thousands of updates in place of the published million: more codes are used and pictures are sharper.

        The whole KL weight holds from the first update, since a rising one comes after a few codes have taken all. The
        noise falls to none with the temperature, since codes among which chance draws have to mean the same.
        """
        falls = Annealing(start=1.0, end=1 / 16, share=0.9)
        return cls(
            temperature=falls,
            kl_weight=Annealing(start=6.6, end=6.6, share=0.0),
            noise_scale=Annealing(start=1.0, end=0.0, share=falls.share),
        )


@dataclass(frozen=True)
class PictureBatch:
    """Pixels in 0..1 and the step that they are for."""

    pixels: Float[Tensor, "B 3 side side"]
    step: int

    @property
    def num_tokens(self) -> int:
        """Pictures: the loop's rate is then pictures a second."""
        return len(self.pixels)

    def to(self, device: torch.device) -> PictureBatch:
        return PictureBatch(self.pixels.to(device), self.step)


class BoundObjective:
    """The negative evidence lower bound, nats for each of a pixel's three values."""

    names = ("nll", "kl", "squared_error")

    def __init__(self, relaxation: Relaxation, *, num_steps: int, seed: int) -> None:
        self.relaxation, self.num_steps, self.seed = relaxation, num_steps, seed

    def __call__(
        self, forward: Callable[..., Any], batch: PictureBatch, *, over_all: Callable[[Tensor], Tensor]
    ) -> WeightedLoss:
        """The same noise for the same step and seed."""
        schedule, device = self.relaxation, batch.pixels.device
        decoded = forward(
            batch.pixels,
            temperature=schedule.temperature.at(batch.step, num_steps=self.num_steps),
            noise=torch_generator("gumbel", self.seed, batch.step, device=device.type),
            noise_scale=schedule.noise_scale.at(batch.step, num_steps=self.num_steps),
        )
        nll = pixel_nll(batch.pixels, decoded.outputs)
        weight = schedule.kl_weight.at(batch.step, num_steps=self.num_steps)
        total = nll + weight / VALUES_PER_CODE * decoded.kl
        count = torch.tensor(float(len(batch.pixels)))
        error = ((likeliest_pixels(decoded.outputs.detach()) - batch.pixels) ** 2).mean()
        sums = torch.stack([nll.detach(), decoded.kl.detach(), error]).cpu() * count
        share = count / over_all(count.clone())
        return WeightedLoss(total * share.to(device), sums, count.expand(3).clone())
