"""Sparse weights laid out for the native product: blocks of inputs, and in each the outputs by their number of weights.

A block of inputs is about as large as the first cache of data, for 64 columns of it (Elsen et al. 2019 keep activations
in cache likewise, by the order of loops): 128 inputs where it has 32 KB, 192 where it has 48 KB, and all blocks of one
weight are equal. Outputs with equally many weights in a block are neighbours, for four are computed together, and the
shorter ones are filled up with zeros.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from omniloom.kernels.sparse_matmul import reference

BLOCKS = (1, 2, 4)
PANEL_BYTES = 64 * 4
DTYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True, kw_only=True)
class PackedSparse:
    """The non-zero weights of N outputs by K inputs, in entries of four outputs; sparse_matmul.h has the layout."""

    values: Float[Tensor, "entries 4"]
    columns: Int[Tensor, "entries blocks"]
    starts: Int[Tensor, " starts"]
    rows: Int[Tensor, "input_blocks output_blocks"]
    num_outputs: int
    num_inputs: int
    block_inputs: int

    @property
    def sparsity(self) -> float:
        """The share of weights that are not stored."""
        num_blocks = int(((self.columns.int() & 0xFFFF) != self.block_inputs).sum())
        num_stored = num_blocks * 4 // max(self.columns.shape[1], 1)
        return 1 - num_stored / max(self.num_outputs * self.num_inputs, 1)

    def dense(self) -> Float[Tensor, "N K"]:
        """The weight as it was before."""
        return reference.dense(
            self.values,
            self.columns,
            self.starts,
            self.rows,
            num_outputs=self.num_outputs,
            num_inputs=self.num_inputs,
            block_inputs=self.block_inputs,
        )


@cache
def default_block_inputs() -> int:
    """Inputs whose 64 columns fill the first cache of data, 32 KB where its size is not told."""
    try:
        size = os.sysconf("SC_LEVEL1_DCACHE_SIZE")
    except (AttributeError, OSError, ValueError):
        size = 0
    return min(max(size if size > 0 else 32 * 1024, 16 * 1024), 128 * 1024) // PANEL_BYTES


def pack_sparse(weight: Shaped[Tensor, "N K"], *, block: int = 1, block_inputs: int | None = None) -> PackedSparse:
    """Pack the non-zero weights of a matrix; where one of a block of outputs is not zero, all of the block are kept.

    Args:
        weight: float32 or bfloat16, of N outputs by K inputs.
        block: Outputs that share their inputs: 1 (unstructured), 2 or 4.
        block_inputs: Inputs in a block; by the size of the cache if not given.

    Raises:
        ValueError: If the weight is no matrix, or its dtype or the block do not fit.
    """
    if weight.dim() != 2 or weight.dtype not in DTYPES:
        raise ValueError(
            f"a weight must be a matrix of float32 or bfloat16; got {weight.dtype} of shape {tuple(weight.shape)}"
        )
    if block not in BLOCKS:
        raise ValueError(f"block must be one of {BLOCKS}, got {block}")
    if block_inputs is None:
        num_parts = max(round(weight.shape[-1] / default_block_inputs()), 1)
        block_inputs = max(-(-weight.shape[-1] // num_parts), 1)
    if not 1 <= block_inputs <= 0xFFFF:
        raise ValueError(f"block_inputs must be from 1 to {0xFFFF}, got {block_inputs}")
    num_outputs, num_inputs = weight.shape
    num_blocks, num_input_blocks = -(-num_outputs // 4) * 4 // block, max(-(-num_inputs // block_inputs), 1)
    whole = weight.detach().new_zeros(num_blocks * block, num_input_blocks * block_inputs)
    whole[:num_outputs, :num_inputs] = weight.detach()
    blocks = whole.view(num_blocks, block, num_input_blocks, block_inputs).permute(2, 0, 3, 1)
    values, columns, starts, rows = _entries(blocks, (blocks != 0).any(-1))
    return PackedSparse(
        values=values,
        columns=columns,
        starts=starts,
        rows=rows,
        num_outputs=num_outputs,
        num_inputs=num_inputs,
        block_inputs=block_inputs,
    )


def _entries(blocks: Tensor, is_kept: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values, columns, starts and rows of weights by block of inputs, block of outputs, input and output."""
    num_input_blocks, num_blocks, block_inputs, block = blocks.shape
    together = 4 // block
    rows = is_kept.sum(-1).argsort(dim=1, stable=True)
    kept = is_kept.gather(1, rows[..., None].expand(-1, -1, block_inputs))
    lengths = kept.sum(-1).view(num_input_blocks, num_blocks // together, together).amax(-1).flatten()
    starts = torch.zeros(lengths.numel() + 1, dtype=torch.int32, device=blocks.device)
    starts[1:] = lengths.cumsum(0)
    input_block, place, column = kept.nonzero(as_tuple=True)
    four = input_block * (num_blocks // together) + torch.div(place, together, rounding_mode="floor")
    entry = starts[four].long() + (kept.cumsum(-1) - 1)[input_block, place, column]
    num_entries = int(starts[-1])
    values = blocks.new_zeros(num_entries, together, block)
    columns = torch.full((num_entries, together), block_inputs, device=blocks.device)
    values[entry, place % together] = blocks[input_block, rows[input_block, place], column]
    columns[entry, place % together] = column
    return values.flatten(1), columns.to(torch.int16), starts, rows.to(torch.int32)
