"""Sparse weights times dense activations, as an operator of torch (Elsen et al. 2019, "Fast Sparse ConvNets")."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels.registration import call, define
from omniloom.kernels.sparse_matmul import reference
from omniloom.kernels.sparse_matmul.packing import PackedSparse


def _fake(
    input: Tensor,
    values: Tensor,
    columns: Tensor,
    starts: Tensor,
    rows: Tensor,
    bias: Tensor | None,
    num_outputs: int,
    block_inputs: int,
) -> Tensor:
    images, _, *places = input.shape
    if reference.is_rows(input.flatten(2)):
        return input.new_empty(images, *places, num_outputs).movedim(-1, 1)
    return input.new_empty(images, num_outputs, *places)


_sparse_matmul = define(
    "sparse_matmul(Tensor input, Tensor values, Tensor columns, Tensor starts, Tensor rows, Tensor? bias, "
    "int num_outputs, int block_inputs) -> Tensor",
    reference=reference.sparse_matmul,
    fake=_fake,
)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, values, columns, starts, rows, bias, num_outputs, block_inputs = inputs
    ctx.save_for_backward(input, values, columns, starts, rows)
    ctx.num_outputs, ctx.block_inputs = num_outputs, block_inputs
    ctx.bias_is_wanted = bias is not None and ctx.needs_input_grad[5]


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """Through the dense weight: for training, where the product of the activations' size is not what counts."""
    images, values, columns, starts, rows = ctx.saved_tensors
    input, gradient = images.flatten(2), gradient.flatten(2)
    to_input = to_values = None
    if ctx.needs_input_grad[0]:
        whole = reference.dense(
            values,
            columns,
            starts,
            rows,
            num_outputs=ctx.num_outputs,
            num_inputs=input.shape[1],
            block_inputs=ctx.block_inputs,
        )
        to_input = torch.einsum("nk,bnp->bkp", whole.to(gradient.dtype), gradient).reshape(images.shape)
    if ctx.needs_input_grad[1]:
        product = torch.einsum("bnp,bkp->nk", gradient, input)
        together = columns.shape[1]
        width = rows.shape[0] * ctx.block_inputs + 1
        shape = (0, width - product.shape[1], 0, rows.shape[1] * 4 // together - product.shape[0])
        padded = torch.nn.functional.pad(product, shape).view(-1, 4 // together, width)
        blocks, inputs = reference.places(columns, starts, rows, ctx.block_inputs)
        to_values = padded[blocks, :, inputs].flatten(1).to(values.dtype)
    to_bias = gradient.sum((0, 2)) if ctx.bias_is_wanted else None
    return to_input, to_values, None, None, None, to_bias, None, None


torch.library.register_autograd("omniloom::sparse_matmul", _gradients, setup_context=_keep)


def sparse_conv1x1(
    input: Float[Tensor, "B K *places"], weight: PackedSparse, bias: Float[Tensor, " outputs"] | None = None
) -> Float[Tensor, "B N *places"]:
    """A 1x1 convolution by a sparse weight: images of K channels to N, places in one, two or more dimensions.

    A zero that is not stored is never multiplied, so an infinite or NaN input does not reach the outputs that have no
    weight for it. Gradients reach the input, the weight's values and the bias.

    Raises:
        ValueError: If a shape, dtype or device does not fit.
    """
    if input.dim() < 2:
        raise ValueError(f"the input must be images by channels by places, got shape {tuple(input.shape)}")
    _check(input, weight, bias, input.shape[1])
    return _run(input, weight, bias) if input.dim() > 2 else _run(input[..., None], weight, bias)[..., 0]


def sparse_linear(
    input: Float[Tensor, "*rows K"], weight: PackedSparse, bias: Float[Tensor, " outputs"] | None = None
) -> Float[Tensor, "*rows N"]:
    """`torch.nn.functional.linear` with a sparse weight; otherwise as `sparse_conv1x1`.

    Raises:
        ValueError: If a shape, dtype or device does not fit.
    """
    if input.dim() < 1:
        raise ValueError("the input must have at least one dimension, got a single number")
    _check(input, weight, bias, input.shape[-1])
    rows = input.reshape(1, input.shape[:-1].numel(), input.shape[-1])
    found = _run(rows.mT, weight, bias).mT
    return found.reshape(*input.shape[:-1], weight.num_outputs)


def _run(input: Tensor, weight: PackedSparse, bias: Tensor | None) -> Tensor:
    is_float = input.dtype == torch.float32
    found = call(
        _sparse_matmul,
        input if is_float else input.float(),
        weight.values,
        weight.columns,
        weight.starts,
        weight.rows,
        bias if bias is None or bias.dtype == torch.float32 else bias.float(),
        weight.num_outputs,
        weight.block_inputs,
        reference=reference.sparse_matmul,
    )
    return found if is_float else found.to(input.dtype)


def _check(input: Tensor, weight: PackedSparse, bias: Tensor | None, num_channels: int) -> None:
    if input.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"the input must be float32 or bfloat16, got {input.dtype}; convert it")
    if num_channels != weight.num_inputs:
        raise ValueError(
            f"the weight has {weight.num_inputs} inputs, the input {tuple(input.shape)} has {num_channels}"
        )
    if input.device != weight.values.device:
        raise ValueError(f"the input is on {input.device}, the weight on {weight.values.device}; move one of them")
    if bias is not None and bias.shape != (weight.num_outputs,):
        raise ValueError(f"the bias must have {weight.num_outputs} numbers, got shape {tuple(bias.shape)}")
