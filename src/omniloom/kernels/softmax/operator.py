"""Softmax and log-softmax over the last axis, as operators of torch with gradients.

Rows that fit the caches store exp and scale it; longer ones are read twice and written past the caches (Dukhan &
Ablavatski 2020). float32 on a CPU is ours; other types and devices get torch's own softmax through the same operators.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels.registration import call, define
from omniloom.kernels.softmax import reference


class Method(IntEnum):
    """How a row is done, for tests and benchmarks; the last two compute no softmax but what bounds it."""

    AUTOMATIC = 0
    STORED = 1
    TWO_PASS = 2
    THREE_PASS = 3
    BARE_EXPONENTIAL = 4
    BARE_TRAFFIC = 5


def _like(input: Tensor) -> Tensor:
    return torch.empty_like(input, memory_format=torch.contiguous_format)


_softmax = define("softmax(Tensor input) -> Tensor", reference=reference.softmax, fake=_like)
_log_softmax = define("log_softmax(Tensor input) -> Tensor", reference=reference.log_softmax, fake=_like)
_softmax_out = define(
    "softmax_out(Tensor input, Tensor(a!) out, int method=0) -> ()",
    reference=reference.softmax_out,
    fake=lambda input, out, method=0: None,
)
_log_softmax_out = define(
    "log_softmax_out(Tensor input, Tensor(a!) out) -> ()",
    reference=reference.log_softmax_out,
    fake=lambda input, out: None,
)


def softmax(input: Float[Tensor, "*axes"], *, out: Tensor | None = None) -> Tensor:
    """exp(input) over its sum along the last axis, special values as in `torch.softmax`.

    In float32 the error does not grow with the row: 1e-6 of a result at most, and what rounding x - largest brings,
    6e-8 |x - largest| of it, for results of 2^-126 and more.

    Args:
        out: Written to and returned where given; contiguous, and may be `input`. A fresh output of hundreds of
            megabytes costs more than the softmax itself. There is no gradient through it.

    Raises:
        ValueError: If `out` does not fit `input`, or a gradient is asked for through it.
    """
    if out is None:
        return call(_softmax, input, reference=reference.softmax)
    _checked(input, out)
    if _is_ours(input):
        _softmax_out(input.contiguous(), out)
    else:
        reference.softmax_out(input, out)
    return out


def log_softmax(input: Float[Tensor, "*axes"], *, out: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`, from one exp a number and without rounding to 0; `out` as there."""
    if out is None:
        return call(_log_softmax, input, reference=reference.log_softmax)
    _checked(input, out)
    if _is_ours(input):
        _log_softmax_out(input.contiguous(), out)
    else:
        reference.log_softmax_out(input, out)
    return out


def run_method(input: Float[Tensor, "*rows V"], *, out: Float[Tensor, "*rows V"], method: Method) -> None:
    """`softmax` by a method of your choice; float32, contiguous."""
    _checked(input, out)
    if not _is_ours(input) or not input.is_contiguous():
        raise ValueError(f"a method takes contiguous float32, got {input.dtype} with strides {input.stride()}")
    _softmax_out(input, out, int(method))


def _is_ours(input: Tensor) -> bool:
    return input.dtype == torch.float32 and input.dim() > 0


def _checked(input: Tensor, out: Tensor) -> None:
    wanted = (input.shape, input.dtype, input.device)
    if (out.shape, out.dtype, out.device) != wanted or not out.is_contiguous():
        raise ValueError(
            f"out must be contiguous, {input.dtype} of shape {tuple(input.shape)} on {input.device}; "
            f"got {out.dtype} of shape {tuple(out.shape)} on {out.device}"
        )
    if torch.is_grad_enabled() and (input.requires_grad or out.requires_grad):
        raise ValueError("out= has no gradient; leave it away, or call under torch.no_grad()")


def _keep_output(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.save_for_backward(output)


def _softmax_backward(ctx: Any, gradient: Tensor) -> Tensor:
    (output,) = ctx.saved_tensors
    return torch._softmax_backward_data(gradient, output, -1, output.dtype)


def _log_softmax_backward(ctx: Any, gradient: Tensor) -> Tensor:
    (output,) = ctx.saved_tensors
    return torch._log_softmax_backward_data(gradient, output, -1, output.dtype)


torch.library.register_autograd(_softmax, _softmax_backward, setup_context=_keep_output)
torch.library.register_autograd(_log_softmax, _log_softmax_backward, setup_context=_keep_output)
