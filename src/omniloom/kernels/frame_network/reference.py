"""The network in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.convolution.weights import unpack, unpack_bias


def frame_network(frames: Tensor, weights: list[Tensor], widths: list[int], epsilon: float) -> Tensor:
    width, num_channels = widths[0], widths[-1]
    x = _linear(frames.flatten(0, -2), weights[0], weights[1], width)
    for index, hidden in enumerate(widths[1:-1]):
        tap, norm, widen, widen_bias, narrow, narrow_bias = weights[2 + 6 * index : 8 + 6 * index]
        normed = F.rms_norm(x + x * tap.to(x), norm.shape, norm.to(x), eps=epsilon)
        inside = F.gelu(_linear(normed, widen, widen_bias, hidden), approximate="tanh")
        x = x + _linear(inside, narrow, narrow_bias, width)
    return _linear(x, weights[-2], weights[-1], num_channels)


def _linear(rows: Tensor, panels: Tensor, bias: Tensor, num_outputs: int) -> Tensor:
    weight = unpack(panels, groups=1, channels=num_outputs, kernel=[1])[..., 0]
    return F.linear(rows, weight.to(rows), unpack_bias(bias, groups=1, channels=num_outputs).to(rows))
