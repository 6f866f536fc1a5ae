"""Weights laid out once for the native products, in panels of 32 outputs.

A packed weight is read from one end to the other, so what bounds a product of one row is the memory, and there the size
of pages counts: with pages of 4 KB, half as much is read a second on some virtual machines. Large ones are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from omniloom.kernels import native
from omniloom.kernels.linear.reference import GROUP, PANEL, pack, unpack


@dataclass(frozen=True, kw_only=True)
class PackedLinear:
    """A weight of N outputs by K inputs in panels; int8 has scales, one or one an output, and the sums over inputs."""

    panels: Shaped[Tensor, "panels groups 32 group"]
    num_outputs: int
    num_inputs: int
    scales: Float[Tensor, " scales"] | None = None
    column_sums: Int[Tensor, " N"] | None = None

    @property
    def is_int8(self) -> bool:
        return self.panels.dtype == torch.int8

    def dense(self) -> Shaped[Tensor, "N K"]:
        """The weight as it was before, without its scales."""
        return unpack(self.panels, self.num_outputs, self.num_inputs)


def pack_linear(
    weight: Shaped[Tensor, "N K"], *, scales: float | Float[Tensor, "*scales"] | None = None
) -> PackedLinear:
    """Pack a weight as `torch.nn.Linear` holds it.

    Args:
        weight: float32, bfloat16 or int8.
        scales: For int8: what an integer is worth, one number for all or one for each output; 1 without.

    Raises:
        ValueError: If the weight is no matrix, or its dtype or scales do not fit.
    """
    if weight.dim() != 2 or weight.dtype not in GROUP:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in GROUP)
        raise ValueError(f"a weight must be a matrix of {names}; got {weight.dtype} of shape {tuple(weight.shape)}")
    is_int8 = weight.dtype == torch.int8
    if scales is not None and not is_int8:
        raise ValueError(f"only int8 has scales, the weight is {weight.dtype}; multiply it by them")
    num_outputs, num_inputs = weight.shape
    weight = weight.detach()
    group = GROUP[weight.dtype]
    panels = weight.new_empty(-(-num_outputs // PANEL), -(-num_inputs // group), PANEL, group)
    native.prefer_large_pages(panels)
    pack(weight, panels)
    if not is_int8:
        return PackedLinear(panels=panels, num_outputs=num_outputs, num_inputs=num_inputs)
    factors = torch.as_tensor(1.0 if scales is None else scales, dtype=torch.float32, device=weight.device).flatten()
    if factors.numel() not in (1, num_outputs):
        raise ValueError(f"scales must be one number or one for each of {num_outputs} outputs, got {factors.numel()}")
    sums = weight.sum(-1, dtype=torch.int32)
    return PackedLinear(panels=panels, num_outputs=num_outputs, num_inputs=num_inputs, scales=factors, column_sums=sums)
