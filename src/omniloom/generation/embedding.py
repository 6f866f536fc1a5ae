"""Vectors of whatever a user may give, near where it is about the same thing, whether written, said or shown.

A vector is the mean of the model's states at the positions of what is given, after the last block but one, at length 1.
Of text, later positions weigh more, in proportion to their place: each has read all before it, so they know best what
it is about (position-weighted mean pooling, Muennighoff 2022, "SGPT"). Sound and pictures weigh the same all through.

Measured on the tiny model's world (`benchmarks/generation/bench_embeddings.py`): after the last block states are about
the next token, and what is the same in another language or modality is hardly found; with the plain mean a sentence
lies nearer to one of the same form than to one about the same thing; the last position alone knows what was said last.
Rejected: subtracting the mean of a collection. It helps (from the spoken to the drawn 0.92 and not 0.57), but a vector
would depend on what it is embedded with; a caller who has a collection can do it.

Only states are read, so a model need not have been trained for it; one that was would do better.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from omniloom.generation.decoder import PreparedModel
from omniloom.generation.steps import EMPTY, more_of
from omniloom.stream.folding import Position

BATCH_POSITIONS = 4096
"""Most positions that go through the model at once, filled ones included."""

OPENING = 2
"""Positions before what is given: <bos> and <user>."""


@torch.inference_mode()
def embed_rows(
    prepared: PreparedModel, rows: Sequence[Sequence[Position]], *, num_blocks: int | None = None
) -> Float[Tensor, "B D"]:
    """A vector of length 1 for each user's turn; a row is <bos>, <user> and what is given.

    `num_blocks` says after how many blocks the states are read; without it, after all but the last.
    """
    if num_blocks is None:
        num_blocks = max(1, prepared.config.depth - 1)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]), reverse=True)
    found = torch.zeros(len(rows), prepared.config.width)
    while order:
        count = max(1, BATCH_POSITIONS // len(rows[order[0]]))
        batch, order = order[:count], order[count:]
        found[batch] = _means(prepared, [rows[place] for place in batch], num_blocks)
    return F.normalize(found, dim=-1)


def _means(prepared: PreparedModel, rows: Sequence[Sequence[Position]], num_blocks: int) -> Float[Tensor, "B D"]:
    """The weighed states of each row's own positions; what fills it up comes after them and changes nothing."""
    lengths = torch.tensor([len(row) for row in rows])
    filled = [[*row, *[EMPTY] * (int(lengths.max()) - len(row))] for row in rows]
    more, device = more_of(filled, prepared.vocabulary), prepared.table.device
    states = prepared.model.states_after(
        num_blocks,
        torch.tensor([[position.ids[0] for position in row] for row in filled], device=device),
        torch.tensor([[position.slot for position in row] for row in filled], device=device),
        more=None if more is None else more.to(device),
        table=prepared.table,
    )
    return torch.einsum("bt,btd->bd", weights_of(filled, lengths).to(device), states).cpu()


def weights_of(rows: Sequence[Sequence[Position]], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B T"]:
    """What each position counts, 1 in a row together; nothing beyond a row's length."""
    places = torch.arange(len(rows[0])) - OPENING
    counts = (lengths - OPENING)[:, None]
    is_media = torch.tensor([[position.slot > 0 for position in row] for row in rows])
    share = ((places + 1) / counts).where(~is_media, 0.5)  # of text it is a half on average, too
    weights = share.where((places >= 0) & (places < counts), 0)
    return weights / weights.sum(1, keepdim=True)
