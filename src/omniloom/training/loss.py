"""Next-token loss, weighted by what kind of token is predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from omniloom.models import OmniModel
from omniloom.stream.layout import LossClass


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """How much a token of each kind counts; what a user shows is context, so it counts little or nothing."""

    reply_text: float = 1.0
    reply_audio: float = 0.5
    reply_image: float = 0.5
    prompt_text: float = 0.0
    prompt_audio: float = 0.05
    prompt_image: float = 0.0

    def by_class(self) -> Float[Tensor, " classes"]:
        kinds = [kind for kind in LossClass if kind is not LossClass.NONE]
        return torch.tensor([0.0] + [getattr(self, kind.name.lower()) for kind in kinds])


@dataclass(frozen=True)
class WeightedLoss:
    """`total`, the weighted mean to descend, and for every class its summed loss (nats) and its token count.

    `total` is a sum over these rows, divided by the weight of all rows of the step.
    """

    total: Float[Tensor, ""]
    sums: Float[Tensor, " classes"]
    counts: Float[Tensor, " classes"]


def weighted_loss(
    model: OmniModel,
    hidden: Float[Tensor, "B T D"],
    targets: Int[Tensor, "B T"],
    classes: Int[Tensor, "B T"],
    weights: Float[Tensor, " classes"],
    *,
    over_all: Callable[[Tensor], Tensor] = lambda own: own,
) -> WeightedLoss:
    """Cross-entropy over the tokens that carry weight; the others never reach the output matrix.

    `over_all` sums the rows' weight over all processes that share a step.
    """
    token_weights = weights[classes.long()]
    chosen = token_weights > 0
    weight, kind = token_weights[chosen], classes[chosen].long()
    logits = model.logits(hidden[chosen])
    losses = F.cross_entropy(logits.float(), targets[chosen], reduction="none")
    total = (losses * weight).sum() / over_all(weight.sum()).clamp_min(1e-9)
    sums = torch.zeros_like(weights).index_add_(0, kind, losses.detach())
    return WeightedLoss(total, sums, torch.bincount(kind, minlength=len(weights)).to(weights.dtype))
