"""The largest probabilities of each row of logits, from one read of it, as an operator of torch with gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.kernels.registration import call, define
from omniloom.kernels.softmax_topk import reference


class TopK(NamedTuple):
    """Probabilities, the largest first, and where in the row they are."""

    values: Float[Tensor, "*rows k"]
    indices: Int[Tensor, "*rows k"]


def _fake(input: Tensor, k: int) -> tuple[Tensor, Tensor]:
    shape = (*input.shape[:-1], k)
    return input.new_empty(shape), input.new_empty(shape, dtype=torch.int64)


_softmax_topk = define(
    "softmax_topk(Tensor input, int k) -> (Tensor, Tensor)", reference=reference.softmax_topk, fake=_fake
)
# The same selection without exp or sum, which is what fusing the two saves nothing of; for tests and benchmarks.
_select_largest = define(
    "select_largest(Tensor input, int k) -> (Tensor, Tensor)", reference=reference.select_largest, fake=_fake
)


def softmax_topk(input: Float[Tensor, "*rows V"], k: int) -> TopK:
    """`torch.softmax(input, -1).topk(k)`, reading the logits once and writing nothing else.

    Of equal numbers the first ones count as larger. A row with NaN or an infinite number, or masked throughout, gives
    NaN as torch does, in places 0 to k - 1. The bits are the same on every instruction set.

    Raises:
        ValueError: If k is not from 1 to V, or the logits are not float32.
    """
    if not 1 <= k <= input.shape[-1]:
        raise ValueError(f"k must be from 1 to the row's length {input.shape[-1]}, got {k}")
    if input.dtype != torch.float32:
        raise ValueError(f"input must be float32, got {input.dtype}; convert it with .float()")
    return TopK(*call(_softmax_topk, input, k, reference=reference.softmax_topk))


def select_largest(input: Float[Tensor, "*rows V"], k: int) -> TopK:
    """The k largest numbers without a softmax; NaN is never one of them."""
    return TopK(*_select_largest(input, k))


def _keep(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], *output)


def _backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
    input, values, indices = ctx.saved_tensors
    weighted = gradient * values
    spread = input.softmax(-1) * weighted.sum(-1, keepdim=True)
    return (-spread).scatter_add(-1, indices, weighted), None


torch.library.register_autograd(_softmax_topk, _backward, setup_context=_keep)
