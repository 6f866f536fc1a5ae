"""A causal block in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.convolution.reference import conv_stream
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


def causal_stack(
    frames: Tensor,
    pasts: list[Tensor],
    weights: list[Tensor],
    layers: list[int],
    epsilon: float,
    bounds: list[float],
) -> tuple[Tensor, list[Tensor]]:
    given, before, after = iter(weights), iter(pasts), []
    for is_block, channels, taps, dilation, spread in _each(layers):
        num_past = (taps - 1) * dilation
        past = frames.new_zeros(frames.shape[0], num_past, frames.shape[2])
        if pasts and (is_block or num_past):
            past = next(before)
        if is_block:
            weight = [next(given) for _ in range(6)]
            frames, past = causal_block(
                frames, past, weight[0], weight[1], weight[2], weight[3], weight[4], weight[5], channels, dilation,
                epsilon,
            )  # fmt: skip
        else:
            frames, past = conv_stream(frames, past, next(given), next(given), taps, 1, dilation, 1, channels, "none")
            frames = frames.unflatten(-1, (spread, -1)).flatten(1, 2)
        if is_block or num_past:
            after.append(past)
    if bounds:
        low, high, middle, reach = bounds
        frames = low + (high - low) * torch.sigmoid((frames - middle) / reach)
    return frames, after


def causal_stack_fake(
    frames: Tensor, pasts: list[Tensor], weights: list[Tensor], layers: list[int], *_: object
) -> tuple[Tensor, list[Tensor]]:
    num_streams, num_frames, width = frames.shape
    after = []
    for is_block, channels, taps, dilation, spread in _each(layers):
        if is_block or taps > 1:
            after.append(frames.new_empty(num_streams, (taps - 1) * dilation, width))
        if not is_block:
            num_frames, width = num_frames * spread, channels // spread
    return frames.new_empty(num_streams, num_frames, width), after


def _each(layers: list[int]) -> list[list[int]]:
    """The numbers of each layer."""
    return [layers[start : start + 5] for start in range(0, len(layers), 5)]
