"""Sparse products in plain torch: what the native one must equal, and what serves on other devices."""

from __future__ import annotations

import torch
from torch import Tensor


def places(columns: Tensor, starts: Tensor, rows: Tensor, block_inputs: int) -> tuple[Tensor, Tensor]:
    """The block of outputs and the input of every block of every entry; fill-ins have the input after the last."""
    num_input_blocks, num_blocks = rows.shape
    blocks_together = columns.shape[1]
    counts = starts.diff().long()
    four = torch.repeat_interleave(
        torch.arange(counts.numel(), device=rows.device), counts, output_size=columns.shape[0]
    )
    input_block = torch.div(four * blocks_together, max(num_blocks, 1), rounding_mode="floor")
    inputs = columns.long() & 0xFFFF
    is_filled = inputs == block_inputs
    inputs = torch.where(is_filled, num_input_blocks * block_inputs, inputs + input_block[:, None] * block_inputs)
    return rows.view(-1, blocks_together)[four].long(), inputs


def dense(
    values: Tensor,
    columns: Tensor,
    starts: Tensor,
    rows: Tensor,
    *,
    num_outputs: int,
    num_inputs: int,
    block_inputs: int,
) -> Tensor:
    """The weight that was packed, zeros and all."""
    blocks, inputs = places(columns, starts, rows, block_inputs)
    entries, together = columns.shape
    shared = values.view(entries, together, 4 // together)
    whole = values.new_zeros(rows.shape[1], rows.shape[0] * block_inputs + 1, 4 // together)
    whole[blocks, inputs] = shared
    return whole.transpose(1, 2).flatten(0, 1)[:num_outputs, :num_inputs]


def sparse_matmul(
    input: Tensor,
    values: Tensor,
    columns: Tensor,
    starts: Tensor,
    rows: Tensor,
    bias: Tensor | None,
    num_outputs: int,
    block_inputs: int,
) -> Tensor:
    whole = dense(
        values,
        columns,
        starts,
        rows,
        num_outputs=num_outputs,
        num_inputs=input.shape[1],
        block_inputs=block_inputs,
    ).to(input.dtype)
    images = input.flatten(2)
    found = torch.einsum("nk,bkp->bnp", whole, images)
    found = found if bias is None else found + bias[:, None]
    found = found.mT.contiguous().mT if is_rows(images) else found.contiguous()
    return found.view(input.shape[0], num_outputs, *input.shape[2:])


def is_rows(input: Tensor) -> bool:
    """Whether channels lie side by side in memory; the result then lies likewise."""
    return bool(input.shape[1] > 1 and input.stride(1) == 1 and input.stride(2) != 1)
