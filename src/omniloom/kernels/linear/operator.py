"""Linear layers with prepacked weights, as operators of torch."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from omniloom.kernels.linear import reference
from omniloom.kernels.linear.packing import PackedLinear
from omniloom.kernels.registration import call, define


def _like(input: Tensor, num_outputs: int, dtype: torch.dtype) -> Tensor:
    return input.new_empty((*input.shape[:-1], num_outputs), dtype=dtype)


_linear = define(
    "linear(Tensor input, Tensor weight, Tensor? scales, Tensor? bias, int num_outputs) -> Tensor",
    reference=reference.linear,
    fake=lambda input, weight, scales, bias, num_outputs: _like(input, num_outputs, input.dtype),
)
_int8_matmul = define(
    "int8_matmul(Tensor input, Tensor weight, Tensor column_sums, int zero_point, int num_outputs) -> Tensor",
    reference=reference.int8_matmul,
    fake=lambda input, weight, column_sums, zero_point, num_outputs: _like(input, num_outputs, torch.int32),
)
_int8_linear = define(
    "int8_linear(Tensor input, Tensor weight, Tensor column_sums, int zero_point, Tensor input_scale, Tensor scales, "
    "Tensor? bias, int num_outputs, ScalarType dtype) -> Tensor",
    reference=reference.int8_linear,
    fake=lambda input, weight, column_sums, zero_point, input_scale, scales, bias, num_outputs, dtype: _like(
        input, num_outputs, dtype
    ),
)
_int8_linear_shift = define(
    "int8_linear_shift(Tensor input, Tensor weight, Tensor column_sums, int zero_point, Tensor? bias, Tensor shifts, "
    "int num_outputs) -> Tensor",
    reference=reference.int8_linear_shift,
    fake=lambda input, weight, column_sums, zero_point, bias, shifts, num_outputs: _like(
        input, num_outputs, torch.int8
    ),
)

_quantize_rows = define(
    "quantize_rows(Tensor input) -> (Tensor, Tensor)",
    reference=reference.quantize_rows,
    fake=lambda input: (
        input.new_empty(input.shape, dtype=torch.int8),
        input.new_empty(input.shape[:-1].numel(), dtype=torch.float32),
    ),
)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, weight, scales, bias, num_outputs = inputs
    ctx.save_for_backward(weight, scales)
    ctx.num_inputs, ctx.num_outputs = input.shape[-1], num_outputs
    ctx.bias_is_wanted = bias is not None and ctx.needs_input_grad[3]


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    weight, scales = ctx.saved_tensors
    dense = reference.unpack(weight, ctx.num_outputs, ctx.num_inputs).to(gradient.dtype)
    scaled = gradient if scales is None else (gradient * scales).to(gradient.dtype)
    to_bias = gradient.float().flatten(0, -2).sum(0) if ctx.bias_is_wanted else None
    return scaled @ dense if ctx.needs_input_grad[0] else None, None, None, to_bias, None


torch.library.register_autograd("omniloom::linear", _gradients, setup_context=_keep)


def linear(
    input: Float[Tensor, "*rows K"], weight: PackedLinear, bias: Float[Tensor, " outputs"] | None = None
) -> Float[Tensor, "*rows N"]:
    """Rows times a packed weight, as `torch.nn.functional.linear`; sums in float32, the result in the input's dtype.

    Gradients reach the input and the bias; a packed weight is frozen.

    Args:
        input: float32 or bfloat16.
        weight: Packed from float32, bfloat16 or int8 with scales.
        bias: float32.

    Raises:
        ValueError: If a shape or dtype does not fit.
    """
    _check(input, weight, (torch.float32, torch.bfloat16))
    scales = weight.scales if weight.is_int8 else None
    rest = (weight.panels, scales, _float_bias(bias, weight), weight.num_outputs)
    return call(_linear, input, *rest, reference=reference.linear)


def int8_matmul(
    input: Integer[Tensor, "*rows K"], weight: PackedLinear, *, zero_point: int = 0
) -> Int[Tensor, "*rows N"]:
    """The int32 sums of (input - zero_point) times an int8 weight: exact wherever they fit int32, else modulo 2^32.

    Args:
        input: int8 or uint8.
        weight: Packed from int8.
        zero_point: The integer that stands for zero in the input.

    Raises:
        ValueError: If a shape or dtype does not fit.
    """
    sums = _check_int8(input, weight)
    return _int8_matmul(input, weight.panels, sums, zero_point, weight.num_outputs)


def int8_linear(
    input: Integer[Tensor, "*rows K"],
    weight: PackedLinear,
    *,
    input_scale: float | Float[Tensor, "*scales"],
    zero_point: int = 0,
    bias: Float[Tensor, " outputs"] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "*rows N"]:
    """`int8_matmul`, then times the scales of input and weight and plus a bias, in float32.

    Args:
        input_scale: One for the whole input, or one for each row.
        dtype: Of the result, float32 or bfloat16.

    Raises:
        ValueError: If a shape or dtype does not fit.
    """
    sums = _check_int8(input, weight)
    if dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"dtype must be float32 or bfloat16, got {dtype}")
    scale = torch.as_tensor(input_scale, dtype=torch.float32, device=input.device)
    num_rows = input.shape[:-1].numel()
    if scale.numel() not in (1, num_rows):
        raise ValueError(f"input_scale must be one number or one for each of {num_rows} rows, got {scale.numel()}")
    assert weight.scales is not None
    return _int8_linear(
        input,
        weight.panels,
        sums,
        zero_point,
        scale,
        weight.scales,
        _float_bias(bias, weight),
        weight.num_outputs,
        dtype,
    )


def int8_linear_shift(
    input: Integer[Tensor, "*rows K"],
    weight: PackedLinear,
    *,
    shifts: int | Int[Tensor, "*shifts"],
    zero_point: int = 0,
    bias: Int[Tensor, " outputs"] | None = None,
) -> Int[Tensor, "*rows N"]:
    """`int8_matmul` plus an int32 bias, divided by powers of two and rounded to int8, in integers alone.

    Rounds to nearest, ties to even, and saturates, so that every machine gives the same bits (the arithmetic of
    Jacob et al. 2018, section 2.2, with a multiplier that is a power of two).

    Args:
        shifts: Bits to the right, 0 to 31: one for all outputs, or one for each.

    Raises:
        ValueError: If a shape, dtype or shift does not fit.
    """
    sums = _check_int8(input, weight)
    places = torch.as_tensor(shifts, dtype=torch.int32, device=input.device)
    if places.numel() not in (1, weight.num_outputs):
        raise ValueError(
            f"shifts must be one number or one for each of {weight.num_outputs} outputs, got {places.numel()}"
        )
    if isinstance(shifts, int) and not 0 <= shifts <= 31:
        raise ValueError(f"a shift must be from 0 to 31, got {shifts}")
    if bias is not None and (bias.dtype != torch.int32 or bias.shape != (weight.num_outputs,)):
        raise ValueError(f"bias must be {weight.num_outputs} numbers of int32, got {bias.dtype} {tuple(bias.shape)}")
    return _int8_linear_shift(input, weight.panels, sums, zero_point, bias, places, weight.num_outputs)


def quantize_rows(input: Float[Tensor, "*rows K"]) -> tuple[Int[Tensor, "*rows K"], Float[Tensor, " scales"]]:
    """Each row as int8 with a scale of its own, symmetric about zero: input ≈ integers * scale.

    Args:
        input: Finite numbers of float32 or bfloat16.

    Raises:
        ValueError: If the dtype does not fit.
    """
    if input.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"the input must be float32 or bfloat16, got {input.dtype}; convert it")
    return _quantize_rows(input)


def _check(input: Tensor, weight: PackedLinear, dtypes: tuple[torch.dtype, ...]) -> None:
    if input.dtype not in dtypes:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"the input must be {names}, got {input.dtype}; convert it")
    if input.dim() == 0 or input.shape[-1] != weight.num_inputs:
        raise ValueError(f"the input's last axis must be {weight.num_inputs} wide, got shape {tuple(input.shape)}")
    if input.device != weight.panels.device:
        raise ValueError(f"the input is on {input.device}, the weight on {weight.panels.device}; move one of them")


def _check_int8(input: Tensor, weight: PackedLinear) -> Tensor:
    if weight.column_sums is None:
        raise ValueError(f"the weight must be packed from int8, got {weight.panels.dtype}; quantize it first")
    _check(input, weight, (torch.int8, torch.uint8))
    return weight.column_sums


def _float_bias(bias: Tensor | None, weight: PackedLinear) -> Tensor | None:
    if bias is None:
        return None
    if bias.shape != (weight.num_outputs,):
        raise ValueError(f"the bias must have {weight.num_outputs} numbers, got shape {tuple(bias.shape)}")
    return bias.float()
