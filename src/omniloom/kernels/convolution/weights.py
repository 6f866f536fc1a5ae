"""Weights as the kernels read them: panels of 32 output channels, and back.

A panel is (taps, channels in, 32): each step of the inner loop reads one line of it, whatever the instruction set, so
that packed weights may be saved and used on another machine. The last panel of a group is filled up with zeros.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

PANEL = 32


def pack(weight: Float[Tensor, "O I *kernel"], groups: int) -> Float[Tensor, "P K I 32"]:
    """Panels of each group, one group after another."""
    in_groups = _filled_up(weight.flatten(2).unflatten(0, (groups, -1)), axis=1)
    return in_groups.unflatten(1, (-1, PANEL)).flatten(0, 1).permute(0, 3, 2, 1).contiguous()


def unpack(panels: Float[Tensor, "P K I 32"], *, groups: int, channels: int, kernel: list[int]) -> Tensor:
    """The weight that `pack` was given, as torch has it."""
    in_groups = panels.permute(0, 3, 2, 1).unflatten(0, (groups, -1)).flatten(1, 2)
    return in_groups[:, : channels // groups].flatten(0, 1).unflatten(2, kernel)


def pack_bias(bias: Float[Tensor, " O"], groups: int) -> Float[Tensor, " P32"]:
    """Filled up as panels are."""
    return _filled_up(bias.unflatten(0, (groups, -1)), axis=1).flatten().contiguous()


def unpack_bias(bias: Float[Tensor, " P32"], *, groups: int, channels: int) -> Float[Tensor, " O"]:
    return bias.unflatten(0, (groups, -1))[:, : channels // groups].flatten()


def _filled_up(tensor: Tensor, *, axis: int) -> Tensor:
    after = [0, 0] * (tensor.dim() - 1 - axis)
    return F.pad(tensor, (*after, 0, -tensor.shape[axis] % PANEL))


def is_depthwise(*, groups: int, channels_in: int, channels: int) -> bool:
    """Whether weights are (taps, channels): each channel has its own, and there is no panel."""
    return groups == channels_in == channels and groups > 1


def pack_depthwise(weight: Float[Tensor, "C 1 *kernel"]) -> Float[Tensor, "K C"]:
    return weight.flatten(1).T.contiguous()


def unpack_depthwise(taps: Float[Tensor, "K C"], *, kernel: list[int]) -> Tensor:
    return torch.unflatten(taps.T, 1, [1, *kernel])
