"""Convolution with packed weights in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.convolution.weights import is_depthwise, unpack, unpack_bias, unpack_depthwise

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "elu": F.elu,
}


def conv(
    input: Tensor,
    panels: Tensor,
    bias: Tensor,
    winograd2: Tensor | None,
    winograd4: Tensor | None,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    channels: int,
    activation: str,
    algorithm: str,
) -> Tensor:
    """All algorithms compute one thing; this takes torch's own, and gives the layout that `output_like` says."""
    if is_depthwise(groups=groups, channels_in=input.shape[1], channels=channels):
        weight, added = unpack_depthwise(panels, kernel=kernel), bias
    else:
        weight = unpack(panels, groups=groups, channels=channels, kernel=kernel)
        added = unpack_bias(bias, groups=groups, channels=channels)
    num_axes = len(kernel)
    sides = [side for axis in reversed(range(num_axes)) for side in (padding[axis], padding[axis + num_axes])]
    convolve = F.conv1d if num_axes == 1 else F.conv2d
    found = convolve(F.pad(input, sides), weight, added, stride, 0, dilation, groups)
    return output_like(input, found.shape).copy_(ACTIVATIONS[activation](found))


def output_like(input: Tensor, shape: torch.Size) -> Tensor:
    """Empty, with adjacent channels where the input has them and is not torch's own layout at the same time."""
    if input.stride(1) != 1 or input.is_contiguous():
        return input.new_empty(shape)
    return input.new_empty(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


def conv_fake(
    input: Tensor,
    panels: Tensor,
    bias: Tensor,
    winograd2: Tensor | None,
    winograd4: Tensor | None,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    channels: int,
    activation: str,
    algorithm: str,
) -> Tensor:
    num_axes = len(kernel)
    sizes = [
        (size + padding[i] + padding[i + num_axes] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1
        for i, size in enumerate(input.shape[2:])
    ]
    return output_like(input, torch.Size([input.shape[0], channels, *sizes]))


def conv_stream(
    frames: Tensor,
    past: Tensor,
    panels: Tensor,
    bias: Tensor,
    taps: int,
    stride: int,
    dilation: int,
    groups: int,
    channels: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    joined = torch.cat([past, frames], dim=1)
    found = conv(
        joined.transpose(1, 2), panels, bias, None, None, [taps], [stride], [0, 0], [dilation], groups, channels,
        activation, "indirect",
    )  # fmt: skip
    return found.transpose(1, 2).contiguous(), joined[:, joined.shape[1] - past.shape[1] :].clone()


def conv_stream_fake(
    frames: Tensor,
    past: Tensor,
    panels: Tensor,
    bias: Tensor,
    taps: int,
    stride: int,
    dilation: int,
    groups: int,
    channels: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    return frames.new_empty(frames.shape[0], frames.shape[1] // stride, channels), torch.empty_like(
        past, memory_format=torch.contiguous_format
    )
