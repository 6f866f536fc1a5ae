"""Dense causal attention with grouped queries (Ainslie et al. 2023) and normalized queries and keys (QK-norm).

Which token sees which is given as a mask, so packed training rows, padded batches and cached decoding share one path.
Torch's fused attention does the work; it takes the mask and the grouped heads as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.layers.cache import KeyValueCache
from omniloom.layers.norm import unit_norm
from omniloom.layers.rotary import rotate


class DenseAttention(nn.Module):
    """Every token attends to what its mask shows."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int
        num_heads: int
        num_kv_heads: int
        head_width: int

        def __post_init__(self) -> None:
            if self.num_heads % self.num_kv_heads:
                raise ValueError(f"num_heads={self.num_heads} must be a multiple of num_kv_heads={self.num_kv_heads}")
            if self.head_width % 2:
                raise ValueError(f"head_width must be even for rotary positions, got {self.head_width}")

    def __init__(self, config: Config, *, layer: int) -> None:
        super().__init__()
        self.config = config
        self.layer = layer
        heads = config.num_heads + 2 * config.num_kv_heads
        self.query_key_value = nn.Linear(config.width, heads * config.head_width, bias=False)
        self.out = nn.Linear(config.num_heads * config.head_width, config.width, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        *,
        angles: tuple[Float[Tensor, "B 1 T half"], Float[Tensor, "B 1 T half"]],
        visible: Bool[Tensor, "#B 1 T S"] | None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """`visible` None means plain causal."""
        c = self.config
        batch, tokens, _ = x.shape
        heads_BTHE = self.query_key_value(x).view(batch, tokens, c.num_heads + 2 * c.num_kv_heads, c.head_width)
        query, key, value = heads_BTHE.transpose(1, 2).split([c.num_heads, c.num_kv_heads, c.num_kv_heads], dim=1)
        query, key = rotate(unit_norm(query), *angles), rotate(unit_norm(key), *angles)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        mixed_BHTE = F.scaled_dot_product_attention(
            query, key, value.to(query.dtype), attn_mask=visible, is_causal=visible is None, enable_gqa=True
        )
        return self.out(mixed_BHTE.transpose(1, 2).reshape(batch, tokens, -1))


def visible_within(documents: Int[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """The mask of packed rows: a token sees the tokens of its own document up to itself."""
    tokens = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    past = torch.ones(tokens, tokens, dtype=torch.bool, device=documents.device).tril()
    return (same & past)[:, None]
