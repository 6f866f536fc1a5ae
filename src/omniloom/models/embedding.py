"""Token vectors of the whole vocabulary, shared by input and output.

A codec's element is a number with digits, the levels of its finite scalar quantizer, and elements that share digits
sound or look alike. So its vector is its own row plus one vector for each digit: an element never seen in training
still has a place near its like. What that is worth has not been measured against plain rows here.

One position may hold several elements (see `stream.folding`). Their vectors are added up, each but the
first through a matrix of its own place, so that the same code at two places of a block does not look alike.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.kernels import ScoreBlock
from omniloom.layers.norm import unit_norm
from omniloom.stream.vocabulary import MAX_SLOT, PAD, Vocabulary


class TokenEmbedding(nn.Module):
    """Rows for all ids, digit vectors for codec elements, and a vector for each slot of a run of elements."""

    digits_of: Tensor

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.rows = nn.Parameter(torch.randn(vocabulary.size, width) * INITIAL_STD)
        digits_of = _digit_matrix(vocabulary)
        self.register_buffer("digits_of", digits_of, persistent=False)
        self.digits = nn.Parameter(torch.randn(digits_of.shape[1], width) * INITIAL_STD)
        self.slots = nn.Parameter(torch.randn(MAX_SLOT + 1, width) * INITIAL_STD)
        self.num_more = vocabulary.max_group - 1
        """Ids that a position may hold beside the first."""
        if self.num_more:
            places = [nn.init.orthogonal_(torch.empty(width, width)) for _ in range(self.num_more)]
            self.places = nn.Parameter(torch.cat(places, dim=1))

    def table(self) -> Float[Tensor, "V D"]:
        """The vector of every id, rows and digits summed; compute once and keep it where weights do not change."""
        return self.rows + self.digits_of @ self.digits

    def planes(self) -> dict[int, ScoreBlock]:
        """What the vectors of each plane are made of, by its first id, in the order of the ids."""
        found, column = {}, 0
        for item in self.vocabulary.ranges:
            levels = item.plane.levels
            stop = column + sum(levels)
            found[item.start] = ScoreBlock(
                rows=self.rows[item.start : item.start + item.plane.size],
                digits=self.digits[column:stop] if levels else None,
                levels=levels,
            )
            column = stop
        return found

    def combine(
        self, table: Float[Tensor, "V D"], ids: Int[Tensor, "B T"], more: Int[Tensor, "B T K"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """The summed vectors of what stands at each position; `more` is <pad> where there is nothing more."""
        first = F.embedding(ids, table)
        if more is None or not self.num_more:
            return first
        others = F.embedding(more, table) * (more != PAD)[..., None]
        return first + F.linear(others.flatten(-2), self.places.to(others.dtype))

    def embed(
        self,
        table: Float[Tensor, "V D"],
        ids: Int[Tensor, "B T"],
        slots: Int[Tensor, "B T"],
        more: Int[Tensor, "B T K"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """What enters the first block, normalized."""
        return unit_norm(self.combine(table, ids, more) + F.embedding(slots, self.slots))


INITIAL_STD = 0.02
"""GPT-2's; the embedded vectors are normalized at once, and a unit-norm state gives first logits of about 0.3."""


def _digit_matrix(vocabulary: Vocabulary) -> Float[Tensor, "V digits"]:
    """One where an id has a digit at a level; planes do not share digit vectors."""
    total = sum(sum(item.plane.levels) for item in vocabulary.ranges)
    matrix = torch.zeros(vocabulary.size, max(total, 1))
    column = 0
    for item in vocabulary.ranges:
        rest = torch.arange(item.plane.size)
        for level in item.plane.levels:
            matrix[item.start + torch.arange(item.plane.size), column + rest % level] = 1.0
            rest = rest // level
            column += level
    return matrix
