"""Packed products in plain torch: what the native ones must equal, and what serves on other devices."""

from __future__ import annotations

import torch
from torch import Tensor

PANEL = 32
"""Outputs in a panel of a packed weight, as in linear.h."""

GROUP = {torch.float32: 1, torch.bfloat16: 2, torch.int8: 4}
"""Inputs that share a word of 32 bits, by the dtype of a weight."""


def pack(weight: Tensor, into: Tensor) -> None:
    """Lay a weight of N outputs by K inputs into panels: panel, group, output, input within the group."""
    num_panels, num_groups, _, group = into.shape
    padded = weight.new_zeros(num_panels * PANEL, num_groups * group)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    into.copy_(padded.view(num_panels, PANEL, num_groups, group).transpose(1, 2))


def unpack(panels: Tensor, num_outputs: int, num_inputs: int) -> Tensor:
    """The weight that was packed."""
    num_panels, num_groups, _, group = panels.shape
    whole = panels.transpose(1, 2).reshape(num_panels * PANEL, num_groups * group)
    return whole[:num_outputs, :num_inputs]


def linear(input: Tensor, weight: Tensor, scales: Tensor | None, bias: Tensor | None, num_outputs: int) -> Tensor:
    dense = unpack(weight, num_outputs, input.shape[-1]).float()
    found = input.float() @ dense.mT
    if scales is not None:
        found = found * scales
    if bias is not None:
        found = found + bias
    return found.to(input.dtype)


def int8_matmul(input: Tensor, weight: Tensor, column_sums: Tensor, zero_point: int, num_outputs: int) -> Tensor:
    """Exact in float64, whose 53 bits hold every sum; int32 keeps the low 32 bits."""
    dense = unpack(weight, num_outputs, input.shape[-1]).double()
    return ((input.double() - zero_point) @ dense.mT).long().to(torch.int32)


def int8_linear(
    input: Tensor,
    weight: Tensor,
    column_sums: Tensor,
    zero_point: int,
    input_scale: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    num_outputs: int,
    dtype: torch.dtype,
) -> Tensor:
    sums = int8_matmul(input, weight, column_sums, zero_point, num_outputs).float()
    if input_scale.numel() > 1:
        input_scale = input_scale.reshape(*input.shape[:-1], 1)
    found = sums * (input_scale * scales)
    return (found if bias is None else found + bias).to(dtype)


def int8_linear_shift(
    input: Tensor,
    weight: Tensor,
    column_sums: Tensor,
    zero_point: int,
    bias: Tensor | None,
    shifts: Tensor,
    num_outputs: int,
) -> Tensor:
    """Rounded in float64, where dividing by a power of two is exact."""
    sums = int8_matmul(input, weight, column_sums, zero_point, num_outputs).double()
    if bias is not None:
        sums = sums + bias
    return torch.round(torch.ldexp(sums, -shifts)).clamp(-128, 127).to(torch.int8)


def quantize_rows(input: Tensor) -> tuple[Tensor, Tensor]:
    values = input.float()
    largest = values.abs().amax(-1) if input.shape[-1] else values.new_zeros(input.shape[:-1])
    scales = largest.clamp_min(torch.finfo(torch.float32).tiny) / 127
    integers = torch.round(values / scales[..., None]).clamp(-127, 127).to(torch.int8)
    return integers, scales.flatten()
