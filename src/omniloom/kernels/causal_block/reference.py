"""A causal block in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.convolution.weights import unpack, unpack_bias


def causal_block(
    frames: Tensor,
    past: Tensor,
    taps: Tensor,
    norm: Tensor,
    widen: Tensor,
    widen_bias: Tensor,
    narrow: Tensor,
    narrow_bias: Tensor,
    hidden: int,
    dilation: int,
    epsilon: float,
) -> tuple[Tensor, Tensor]:
    joined = torch.cat([past, frames], dim=1)
    num_frames, width = frames.shape[1:]
    mixed = frames
    for tap, weight in enumerate(taps):
        mixed = mixed + joined[:, tap * dilation : tap * dilation + num_frames] * weight
    normed = F.rms_norm(mixed, norm.shape, norm, eps=epsilon)
    inside = F.gelu(_linear(normed, widen, widen_bias, hidden), approximate="tanh")
    return frames + _linear(inside, narrow, narrow_bias, width), joined[:, num_frames:].clone()


def _linear(rows: Tensor, panels: Tensor, bias: Tensor, num_outputs: int) -> Tensor:
    weight = unpack(panels, groups=1, channels=num_outputs, kernel=[1])[..., 0]
    return F.linear(rows, weight, unpack_bias(bias, groups=1, channels=num_outputs))


def causal_block_fake(frames: Tensor, past: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    return frames.new_empty(frames.shape), past.new_empty(past.shape)
