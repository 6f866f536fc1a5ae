"""Cross-entropy against smoothed targets (Szegedy et al. 2016, section 7), with Tensor2Tensor's constants.

The right id gets 1 - smoothing, every other smoothing / (V - 1), padding's id among them. The least that this
cross-entropy can be, its targets' own entropy, is subtracted, so that a perfect model has loss 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.core.randomness import seeded
from omniloom.models.seq2seq import Seq2SeqTransformer
from omniloom.models.seq2seq.config import PAD
from omniloom.training.protocols import WeightedLoss
from omniloom.training.seq2seq.bucketing import PairBatch


def smoothed_cross_entropy(
    logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], *, smoothing: float
) -> Float[Tensor, " N"]:
    """Nats above the least that can be."""
    return _smoothed(logits.log_softmax(-1), targets, smoothing=smoothing)


def _smoothed(log_probs: Float[Tensor, "N V"], targets: Int[Tensor, " N"], *, smoothing: float) -> Float[Tensor, " N"]:
    right = log_probs.gather(1, targets[:, None])[:, 0]
    low = smoothing / (log_probs.shape[1] - 1)
    cross_entropy = -((1 - smoothing) * right + low * (log_probs.sum(1) - right))
    return cross_entropy - smoothing_entropy(log_probs.shape[1], smoothing=smoothing)


def smoothing_entropy(num_ids: int, *, smoothing: float) -> float:
    """The entropy (nats) of smoothed targets; 1e-20 keeps the logarithm of 0 away, as in Tensor2Tensor."""
    right, low = 1 - smoothing, smoothing / (num_ids - 1)
    return -(right * math.log(right) + (num_ids - 1) * low * math.log(low + 1e-20))


class SmoothedObjective:
    """The mean over all target ids that are not padding; dropout is drawn by the batch's number, so runs resume.

    Beside the smoothed loss it tells plain cross-entropy ("nats"), by which models of other smoothings compare.
    """

    names = ("smoothed", "nats")

    def __init__(self, model: Seq2SeqTransformer, *, smoothing: float, seed: int) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {smoothing}")
        self.model, self.smoothing, self.seed = model, smoothing, seed

    def __call__(
        self, forward: Callable[..., Tensor], batch: PairBatch, *, over_all: Callable[[Tensor], Tensor]
    ) -> WeightedLoss:
        with seeded("dropout", self.seed, batch.number):
            states = forward(batch.source, batch.target)
        counts_for = batch.target != PAD
        targets = batch.target[counts_for]
        # What is padding never reaches the softmax matrix.
        log_probs = self.model.logits(states[counts_for]).float().log_softmax(-1)
        losses = _smoothed(log_probs, targets, smoothing=self.smoothing)
        count = counts_for.sum()
        total = losses.sum() / over_all(count)
        with torch.no_grad():
            nats = -log_probs.gather(1, targets[:, None]).sum()
            sums = torch.stack([losses.sum(), nats])
        return WeightedLoss(total, sums, count.to(sums.dtype).expand(2))
