"""Softmax with top-k in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_topk(input: Tensor, k: int) -> tuple[Tensor, Tensor]:
    _check(input, k)
    places = _places(input, k)
    return input.softmax(-1).gather(-1, places), places


def select_largest(input: Tensor, k: int) -> tuple[Tensor, Tensor]:
    _check(input, k)
    places = _places(input, k)
    return input.gather(-1, places), places


def _places(input: Tensor, k: int) -> Tensor:
    """Of the largest numbers, the first of equal ones first, which `topk` by itself leaves open."""
    if input.dtype != torch.float32:
        return input.sort(dim=-1, descending=True, stable=True).indices[..., :k].contiguous()
    bits = (input + 0.0).contiguous().view(torch.int32)  # rises with the number, but falls where it is negative
    rank = torch.arange(input.shape[-1], device=input.device)
    keys = (torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long() << 32) - rank
    return keys.topk(k).indices


def _check(input: Tensor, k: int) -> None:
    if not 1 <= k <= input.shape[-1]:
        raise RuntimeError(f"k must be from 1 to the row's length {input.shape[-1]}, got {k}")
