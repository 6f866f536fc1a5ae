"""The weights of a decoder as the decode step takes them: plain tensors, whatever model they come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LayerWeights:
    """One block: attention, then a gated feed-forward layer."""

    attention_norm: Float[Tensor, " D"]
    query_key_value: Float[Tensor, "qkv D"]
    attention_out: Float[Tensor, "D heads"]
    feedforward_norm: Float[Tensor, " D"]
    gate_value: Float[Tensor, "twohidden D"]
    feedforward_out: Float[Tensor, "D hidden"]


@dataclass(frozen=True, kw_only=True)
class DecoderWeights:
    """A decoder: `table` embeds tokens, `output` scores what may come next, the table's rows first or nothing else.

    `slots` is added to a token's vector by its place in a run.
    """

    table: Float[Tensor, "V D"]
    output: Float[Tensor, "scores D"]
    slots: Float[Tensor, "slots D"]
    layers: tuple[LayerWeights, ...]
    num_heads: int
    num_kv_heads: int
    head_width: int
    norm_epsilon: float
    rotary_base: float

    def angles(self, positions: int) -> tuple[Float[Tensor, "S half"], Float[Tensor, "S half"]]:
        """Cosines and sines of the first `positions` positions."""
        half = self.head_width // 2
        frequencies = self.rotary_base ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * frequencies
        return angles.cos(), angles.sin()

    def matrices(self) -> list[Tensor]:
        """Every matrix that one token is multiplied with, in order."""
        found = []
        for layer in self.layers:
            found += [layer.query_key_value, layer.attention_out, layer.gate_value, layer.feedforward_out]
        return [*found, self.output]


def narrowed(weight: Tensor) -> Tensor:
    """The weight in bfloat16 where that loses nothing (it was stored so), else in float32; contiguous."""
    narrow = weight.detach().to(torch.bfloat16)
    is_exact = bool((narrow.to(torch.float32) == weight).all())
    return (narrow if is_exact else weight.detach().to(torch.float32)).contiguous()
