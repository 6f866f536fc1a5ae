"""How pictures and captions are brought together, and how the judge of composites learns.

Contrast: symmetric InfoNCE (Radford et al. 2021, figure 3): of a batch, each picture names its caption and each caption
its picture. A caption that is in the batch twice would be wrong for its own picture, so equal ones are not held against
each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from omniloom.training.protocols import WeightedLoss


@dataclass(frozen=True)
class CaptionedBatch:
    """Pixels in 0..1, their captions' tokens, and a number for each caption, the same for those that mean the same."""

    pixels: Float[Tensor, "B 3 side side"]
    tokens: Int[Tensor, "B T"]
    is_text: Bool[Tensor, "B T"]
    meaning: Int[Tensor, " B"]

    @property
    def num_tokens(self) -> int:
        """Pictures."""
        return len(self.pixels)

    def to(self, device: torch.device) -> CaptionedBatch:
        return CaptionedBatch(*(value.to(device) for value in vars(self).values()))


@dataclass(frozen=True)
class LabelledBatch:
    """Pixels in 0..1, and the numbers of their colour and of their object."""

    pixels: Float[Tensor, "B 3 side side"]
    colour: Int[Tensor, " B"]
    object: Int[Tensor, " B"]

    @property
    def num_tokens(self) -> int:
        """Pictures."""
        return len(self.pixels)

    def to(self, device: torch.device) -> LabelledBatch:
        return LabelledBatch(*(value.to(device) for value in vars(self).values()))


class ContrastObjective:
    """The mean of both directions' cross-entropies (nats)."""

    names = ("caption_of_picture", "picture_of_caption", "is_right")

    def __call__(
        self, forward: Callable[..., Any], batch: CaptionedBatch, *, over_all: Callable[[Tensor], Tensor]
    ) -> WeightedLoss:
        scores = forward(batch.pixels, batch.tokens, batch.is_text).float()
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        is_same = batch.meaning[:, None] == batch.meaning[None, :]
        scores = scores.masked_fill(is_same & ~own, float("-inf"))
        target = torch.arange(len(scores), device=scores.device)
        losses = torch.stack([F.cross_entropy(scores, target), F.cross_entropy(scores.T, target)])
        is_right = (scores.argmax(dim=1) == target).float().mean()
        count = torch.tensor(float(len(scores)))
        sums = torch.cat([losses.detach(), is_right[None]]).cpu() * count
        share = (count / over_all(count.clone())).to(scores.device)
        return WeightedLoss(losses.mean() * share, sums, count.expand(3).clone())


class AttributeObjective:
    """Cross-entropy of the colour and of the object (nats), added."""

    names = ("colour", "object")

    def __call__(
        self, forward: Callable[..., Any], batch: LabelledBatch, *, over_all: Callable[[Tensor], Tensor]
    ) -> WeightedLoss:
        logits = forward(batch.pixels)
        losses = torch.stack(
            [
                F.cross_entropy(logits.colours.float(), batch.colour),
                F.cross_entropy(logits.objects.float(), batch.object),
            ]
        )
        count = torch.tensor(float(len(batch.pixels)))
        share = (count / over_all(count.clone())).to(losses.device)
        return WeightedLoss(losses.sum() * share, losses.detach().cpu() * count, count.expand(2).clone())
