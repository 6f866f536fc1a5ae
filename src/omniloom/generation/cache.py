"""Key/value caches: memory for one row that grows by appending, and for a batch of rows of different lengths.

Rows of a batch are padded on the right and each has its own length, so a token's position is its place in its own row
and a padded slot is simply written over by the row's next token. Padding on the left was rejected: it shifts every
position, and a row's floats would depend on its neighbours' lengths.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.kernels import CacheRow
from omniloom.models.omni import OmniConfig

GROWTH = 128
"""Positions that a batch's memory grows by: about the length of a reply."""


class RowCache:
    """One row, up to the context's length. Memory is taken by the system only as it is touched."""

    def __init__(self, config: OmniConfig) -> None:
        attention = config.attention
        shape = (config.depth, 1, attention.num_kv_heads, config.context, attention.head_width)
        self.keys, self.values = torch.empty(shape), torch.empty(shape)
        self.row = CacheRow(self.keys[:, 0], self.values[:, 0])
        self.length = 0

    def extend(
        self, layer: int, key: Float[Tensor, "1 G T E"], value: Float[Tensor, "1 G T E"]
    ) -> tuple[Float[Tensor, "1 G S E"], Float[Tensor, "1 G S E"]]:
        """Store behind the tokens held; `length` is the caller's to move once all layers are through."""
        stop = self.length + key.shape[2]
        self.keys[layer, :, :, self.length : stop] = key
        self.values[layer, :, :, self.length : stop] = value
        return self.keys[layer, :, :, :stop], self.values[layer, :, :, :stop]


class BatchCache:
    """Rows of different lengths."""

    def __init__(self, config: OmniConfig, *, num_rows: int, capacity: int) -> None:
        attention = config.attention
        shape = (config.depth, num_rows, attention.num_kv_heads, capacity, attention.head_width)
        # Zeros, as what a mask hides is still multiplied, by 0, and chance bits may be infinite.
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)
        self.lengths: Int[Tensor, " B"] = torch.zeros(num_rows, dtype=torch.long)
        self.rows = self._rows()

    @property
    def num_rows(self) -> int:
        return self.lengths.shape[0]

    @property
    def num_visible(self) -> int:
        """Positions that one more token of any row may look at."""
        return int(self.lengths.max()) + 1

    def extend(
        self, layer: int, key: Float[Tensor, "B G T E"], value: Float[Tensor, "B G T E"]
    ) -> tuple[Float[Tensor, "B G S E"], Float[Tensor, "B G S E"]]:
        """Store prompts in empty rows, or one token behind each row's own."""
        tokens = key.shape[2]
        if tokens > 1 or self.num_visible == 1:
            assert self.num_visible == 1, "prompts go into empty rows"
            self.keys[layer, :, :, :tokens], self.values[layer, :, :, :tokens] = key, value
            return key, value
        rows = torch.arange(self.num_rows)
        self.keys[layer, rows, :, self.lengths] = key[:, :, 0]
        self.values[layer, rows, :, self.lengths] = value[:, :, 0]
        visible = self.num_visible
        return self.keys[layer, :, :, :visible], self.values[layer, :, :, :visible]

    def visible(self) -> Bool[Tensor, "B 1 1 S"]:
        """What one more token of each row sees: its row up to and with itself."""
        return (torch.arange(self.num_visible) <= self.lengths[:, None])[:, None, None]

    def reserve(self) -> None:
        """Make room for one more token in every row."""
        capacity = self.keys.shape[3]
        if self.num_visible > capacity:
            self.keys, self.values = (_grown(memory, capacity + GROWTH) for memory in (self.keys, self.values))
            self.rows = self._rows()

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Drop all other rows, and the memory they held."""
        used = int(self.lengths[rows].max())
        self.lengths = self.lengths[rows]
        self.keys, self.values = (
            _grown(memory[:, rows, :, :used], used + GROWTH) for memory in (self.keys, self.values)
        )
        self.rows = self._rows()

    def _rows(self) -> list[CacheRow]:
        return [CacheRow(*row) for row in zip(self.keys.unbind(1), self.values.unbind(1), strict=True)]


def _grown(memory: Tensor, capacity: int) -> Tensor:
    """The same rows with room for `capacity` positions."""
    larger = memory.new_zeros((*memory.shape[:3], capacity, memory.shape[4]))
    larger[:, :, :, : memory.shape[3]] = memory
    return larger
