"""Causal layers of packed weights, one after another, as one operator of torch.

A streamed chunk is a few frames, and each call of torch costs more than a layer's arithmetic on them: checks, a module
call, and Python's lock given up and taken back, for which other threads wait. One call for all layers does it once. A
layer's bits are those that it gives when it is called by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels.causal_block import reference
from omniloom.kernels.causal_block.operator import PackedCausalBlock
from omniloom.kernels.convolution.operator import PackedConv
from omniloom.kernels.registration import define

_causal_stack = define(
    "causal_stack(Tensor frames, Tensor[] pasts, Tensor[] weights, int[] layers, float epsilon, float[] bounds) "
    "-> (Tensor, Tensor[])",
    reference=reference.causal_stack,
    fake=reference.causal_stack_fake,
)


class Bounds(NamedTuple):
    """Results y become low + (high - low) * sigmoid((y - middle) / reach)."""

    low: float
    high: float
    middle: float
    reach: float


class StackedFrames(NamedTuple):
    """What a stack gives for a piece, and the pasts that its next piece needs."""

    frames: Float[Tensor, "B F D"]
    pasts: list[Tensor]


class PackedCausalStack(nn.Module):
    """Blocks and convolutions over time, each on what the one before gave; a convolution of one tap is a linear layer.

    Args:
        layers: Convolutions must have stride 1, one group and no activation.
        spreads: By the index of a convolution, how many frames each of its results is cut into.
        bounds: Of the last layer's results, if they have any.
    """

    def __init__(
        self,
        layers: Sequence[PackedCausalBlock | PackedConv],
        *,
        spreads: dict[int, int] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.bounds = bounds or ()
        self.width = layers[0].width if isinstance(layers[0], PackedCausalBlock) else layers[0].channels_in
        epsilons = {layer.epsilon for layer in layers if isinstance(layer, PackedCausalBlock)}
        if len(epsilons) > 1:
            raise ValueError(f"blocks of one stack must have one epsilon, got {sorted(epsilons)}")
        self.epsilon = epsilons.pop() if epsilons else 0.0
        shapes = [_shape(layer, (spreads or {}).get(index, 1)) for index, layer in enumerate(layers)]
        self._numbers = [number for shape in shapes for number in shape]
        self.num_pasts = sum(shape.is_block or shape.taps > 1 for shape in shapes)
        self._weights = self._gathered()

    def forward(self, frames: Float[Tensor, "B F D"], pasts: Sequence[Tensor] = ()) -> StackedFrames:
        """The next piece of a sound, and the pasts for the one after it; no pasts stand for zeros.

        Raises:
            ValueError: If shapes do not fit, or a gradient is asked for.
        """
        if frames.dim() != 3 or frames.shape[2] != self.width or frames.dtype != torch.float32:
            raise ValueError(f"frames must be float32 (B, F, {self.width}), got {frames.dtype} {list(frames.shape)}")
        if len(pasts) not in (0, self.num_pasts):
            raise ValueError(f"pasts must be the {self.num_pasts} that the last call gave, or none, got {len(pasts)}")
        if torch.is_grad_enabled() and frames.requires_grad:
            raise ValueError("frames need a gradient, which packed weights do not give; use torch.no_grad()")
        return StackedFrames(*_causal_stack(frames, pasts, self._weights, self._numbers, self.epsilon, self.bounds))

    def _gathered(self) -> list[Tensor]:
        return [weight for layer in self.layers for weight in _weights(layer)]

    def _apply(self, *arguments: Any, **options: Any) -> PackedCausalStack:
        super()._apply(*arguments, **options)
        self._weights = self._gathered()
        return self


class _Shape(NamedTuple):
    """A layer as the operator is told of it; a block's `channels` are those it widens to."""

    is_block: int
    channels: int
    taps: int
    dilation: int
    spread: int


def _shape(layer: PackedCausalBlock | PackedConv, spread: int) -> _Shape:
    if isinstance(layer, PackedCausalBlock):
        if spread != 1:
            raise ValueError(f"only a convolution's results spread over frames, got a block and {spread}")
        return _Shape(1, layer.hidden, layer.num_taps, layer.dilation, 1)
    is_plain = len(layer.kernel) == 1 and layer.stride == [1] and layer.groups == 1 and layer.activation == "none"
    if not is_plain or spread < 1 or layer.channels % spread:
        raise ValueError(
            "a convolution here must be 1-D, of stride 1, one group, no activation and channels that "
            f"{spread} divides; got {layer}"
        )
    return _Shape(0, layer.channels, layer.kernel[0], layer.dilation[0], spread)


def _weights(layer: nn.Module) -> list[Tensor]:
    buffers = layer.buffers() if isinstance(layer, PackedCausalBlock) else (layer.panels, layer.bias)
    return [buffer for buffer in buffers if isinstance(buffer, Tensor)]
