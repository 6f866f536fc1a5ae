"""What the stream of captions and pictures is trained on: 1/8 of the text's loss and 7/8 of the picture's.

Ramesh et al. 2021, section 2.2: the two cross-entropies, each the mean over its own kind of token in the batch. Of the
padding only the first of a caption counts, which ends it; the rest follow from their places alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from omniloom.models.pictures import PictureStream
from omniloom.models.pictures.stream import StreamLogits
from omniloom.training.protocols import WeightedLoss

TEXT_WEIGHT, IMAGE_WEIGHT = 1 / 8, 7 / 8


@dataclass(frozen=True)
class StreamBatch:
    """Padded captions and the codes of their pictures."""

    text: Int[Tensor, "B L"]
    codes: Int[Tensor, "B F"]

    @property
    def num_tokens(self) -> int:
        return self.text.numel() + self.codes.numel()

    def to(self, device: torch.device) -> StreamBatch:
        return StreamBatch(self.text.to(device), self.codes.to(device))


class StreamObjective:
    """1/8 text and 7/8 picture."""

    names = ("text", "image")

    def __init__(self, model: PictureStream) -> None:
        self.text_vocabulary = model.config.text_vocabulary

    def __call__(
        self, forward: Callable[..., Any], batch: StreamBatch, *, over_all: Callable[[Tensor], Tensor]
    ) -> WeightedLoss:
        logits = forward(batch.text, batch.codes)
        text, image = token_losses(logits, batch)
        counted = text_counts(batch.text, self.text_vocabulary)
        sums = torch.stack([(text * counted).sum(), image.sum()])
        counts = torch.stack([counted.sum(), torch.tensor(float(image.numel()), device=image.device)])
        means = sums / over_all(counts.clone())
        return WeightedLoss(TEXT_WEIGHT * means[0] + IMAGE_WEIGHT * means[1], sums.detach(), counts)


def token_losses(logits: StreamLogits, batch: StreamBatch) -> tuple[Float[Tensor, "B L"], Float[Tensor, "B F"]]:
    """Cross-entropy (nats) of each place of the text, padding included, and of each code."""
    text = F.cross_entropy(logits.text.float().transpose(1, 2), batch.text, reduction="none")
    image = F.cross_entropy(logits.image.float().transpose(1, 2), batch.codes, reduction="none")
    return text, image


def text_counts(text: Int[Tensor, "B L"], text_vocabulary: int) -> Float[Tensor, "B L"]:
    """1 for a caption's tokens and the first padding after them, else 0."""
    is_text = (text < text_vocabulary).float()
    return F.pad(is_text, (1, -1), value=1.0)
