"""Layers over single frames, in float64, as one operator of torch.

What turns frames into codes must not depend on how they were batched or cut, so it runs in float64. By torch that took
sixty calls for a frame, and read weights of eight bytes that fit four. There is no gradient, and asking for one is an
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels.causal_block import PackedCausalBlock
from omniloom.kernels.convolution.weights import pack, pack_bias
from omniloom.kernels.frame_network import reference
from omniloom.kernels.registration import define

_frame_network = define(
    "frame_network(Tensor frames, Tensor[] weights, int[] widths, float epsilon) -> Tensor",
    reference=reference.frame_network,
    fake=lambda frames, weights, widths, epsilon: frames.new_empty(frames.numel() // frames.shape[-1], widths[-1]),
)


class PackedFrameNetwork(nn.Module):
    """frames -> out(blocks(into(frames))), of float32 weights in float64. Blocks are causal blocks of one tap."""

    def __init__(self, into: nn.Linear, blocks: Sequence[PackedCausalBlock], out: nn.Linear) -> None:
        super().__init__()
        if any(block.num_taps != 1 for block in blocks) or len({block.epsilon for block in blocks}) > 1:
            raise ValueError(
                f"blocks must have one tap and one epsilon, got {[block.num_taps for block in blocks]} taps"
            )
        self.width, self.num_channels = into.in_features, out.out_features
        self.epsilon = blocks[0].epsilon if blocks else 0.0
        self._widths = [into.out_features, *(block.hidden for block in blocks), out.out_features]
        self.blocks = nn.ModuleList(blocks)
        for name, layer in (("into", into), ("out", out)):
            if layer.weight.dtype != torch.float32:
                raise ValueError(f"weights must be float32, got {layer.weight.dtype}")
            bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
            self.register_buffer(name, pack(layer.weight.detach()[..., None], 1))
            self.register_buffer(f"{name}_bias", pack_bias(bias.detach(), 1))
        self._weights = self._gathered()

    def forward(self, frames: Float[Tensor, "*rows K"]) -> Float[Tensor, "*rows N"]:
        """A result for each frame.

        Raises:
            ValueError: If shapes do not fit, or a gradient is asked for.
        """
        if frames.shape[-1] != self.width or frames.dtype != torch.float64:
            raise ValueError(f"frames must be float64 (..., {self.width}), got {frames.dtype} {list(frames.shape)}")
        if torch.is_grad_enabled() and frames.requires_grad:
            raise ValueError("frames need a gradient, which packed weights do not give; use torch.no_grad()")
        found: Tensor = _frame_network(frames, self._weights, self._widths, self.epsilon)
        return found.view(*frames.shape[:-1], self.num_channels)

    def _gathered(self) -> list[Tensor]:
        own = self._buffers
        of_blocks = [weight for block in self.blocks for weight in block.buffers()]
        weights = [own["into"], own["into_bias"], *of_blocks, own["out"], own["out_bias"]]
        return [weight for weight in weights if weight is not None]

    def _apply(self, *arguments: Any, **options: Any) -> PackedFrameNetwork:
        super()._apply(*arguments, **options)
        self._weights = self._gathered()
        return self
