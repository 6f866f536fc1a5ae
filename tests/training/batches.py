"""Batches without a data set behind them."""

import torch

from omniloom.data.packing import Batch


def plain_batch(
    ids: torch.Tensor,
    classes: torch.Tensor,
    *,
    turns: torch.Tensor | None = None,
    words: torch.Tensor | None = None,
    more: torch.Tensor | None = None,
) -> Batch:
    """Rows (B, T + 1) of one document each; every position one id, or with those of `more` (B, T + 1, K) beside it."""
    zeros = torch.zeros_like(ids[:, :-1])
    more = torch.zeros(*ids.shape, 0, dtype=torch.long) if more is None else more
    return Batch(
        ids=ids[:, :-1],
        more=more[:, :-1],
        targets=ids[:, 1:],
        more_targets=more[:, 1:],
        classes=classes,
        slots=zeros,
        turns=zeros if turns is None else turns,
        words=zeros if words is None else words,
        documents=zeros + 1,
        tasks=zeros,
    )
