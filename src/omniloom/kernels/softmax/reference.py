"""Softmax in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

from torch import Tensor


def softmax(input: Tensor) -> Tensor:
    return input.softmax(-1).contiguous()


def log_softmax(input: Tensor) -> Tensor:
    return input.log_softmax(-1).contiguous()


def softmax_out(input: Tensor, out: Tensor, method: int = 0) -> None:
    out.copy_(input.softmax(-1))


def log_softmax_out(input: Tensor, out: Tensor) -> None:
    out.copy_(input.log_softmax(-1))
