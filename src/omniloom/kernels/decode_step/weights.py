"""The weights of a decoder as the decode step takes them: plain tensors, whatever model they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from omniloom.kernels import native

PANEL = 64
"""Rows of a matrix that lie together, column after column (decode_step.h)."""


@dataclass(frozen=True, kw_only=True)
class LayerWeights:
    """One block: attention, then a gated feed-forward layer."""

    attention_norm: Float[Tensor, " D"]
    query_key_value: Float[Tensor, "qkv D"]
    attention_out: Float[Tensor, "D heads"]
    feedforward_norm: Float[Tensor, " D"]
    gate_value: Float[Tensor, "twohidden D"]
    feedforward_out: Float[Tensor, "D hidden"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreBlock:
    """Some successive rows of the output matrix, by what they are made of: (rows + the digits of each) @ head.

    Reading the parts takes half the bytes of reading the whole, or less where blocks share `rows`. Row i's digits count
    from 0 with the first the fastest, as a mixed number of `levels`; `digits` has a row for each level of each digit.
    """

    rows: Float[Tensor, "n D"]
    head: Float[Tensor, "D D"] | None = None
    digits: Float[Tensor, "levels D"] | None = None
    levels: tuple[int, ...] = ()

    def whole(self) -> Float[Tensor, "n D"]:
        """The rows of the output matrix."""
        found = self.rows if self.digits is None else self.rows + self.of_digits(self.digits)
        return found if self.head is None else found @ self.head

    def of_digits(self, levels: Float[Tensor, "levels ..."]) -> Float[Tensor, "n ..."]:
        """For each row the sum of what its digits have, out of what each level of each digit has."""
        found, rest, before = torch.zeros(()), torch.arange(len(self.rows)), 0
        for level in self.levels:
            found = found + levels[before + rest % level]
            rest, before = rest // level, before + level
        return found


@dataclass(frozen=True, kw_only=True)
class DecoderWeights:
    """A decoder: `table` embeds tokens, `output` scores what may come next.

    `slots` is added to a token's vector by its place in a run. `places` is what the vectors of the ids beside a token
    go through, one square after the other, before they are added to its own; none where tokens always stand alone.
    `blocks`, if any, are `output` from its first row to its last.
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
    places: Float[Tensor, "D more"] | None = None
    blocks: tuple[ScoreBlock, ...] = field(default=())

    @property
    def num_more(self) -> int:
        """Ids that a token may have beside it."""
        return 0 if self.places is None else self.places.shape[1] // self.places.shape[0]

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


def panels_of(weight: Float[Tensor, "rows columns"]) -> Shaped[Tensor, "panels groups 64 group"]:
    """The matrix as the native step reads it (decode_step.h), as narrow as `narrowed` has it."""
    narrow = narrowed(weight)
    group = 2 if narrow.dtype == torch.bfloat16 else 1
    num_rows, num_columns = narrow.shape
    num_panels, num_groups = -(-num_rows // PANEL), -(-num_columns // group)
    found = narrow.new_empty(num_panels, num_groups, PANEL, group)
    native.prefer_large_pages(found)
    filled = narrow.new_zeros(num_panels * PANEL, num_groups * group)
    filled[:num_rows, :num_columns] = narrow
    return found.copy_(filled.view(num_panels, PANEL, num_groups, group).transpose(1, 2))
