"""What waits in rows of written replies, taken through the model a full step at a time.

Scoring given replies and searching for the best one need the same of it: the scores after a row's last position, or
after all of those that waited. The engine was rejected for both: it picks as it goes, and these must not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.generation.batch import WRITTEN
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.steps import Share


class Feeder:
    """Feeds rows of a prepared model; one thread at a time. `num_fed` positions went through it so far."""

    def __init__(self, prepared: PreparedModel) -> None:
        self.grammar = prepared.grammar(WRITTEN)
        self.num_fed = 0
        self._prepared = prepared
        self._step = prepared.new_step()
        states = [
            self.grammar.start(),
            self.grammar.advance(self.grammar.start(), prepared.vocabulary.start_of("text")),
        ]
        self._ranges = sorted({pair for state in states for pair in self.grammar.score_ranges(state)})

    def feed(self, rows: Sequence[RowDecoder], *, scores_all: bool) -> list[Float[Tensor, "T scores"]]:
        """The scores after every position that waited in each row, or after the last one alone."""
        found: list[list[Tensor]] = [[] for _ in rows]
        first = 0
        while first < len(rows):
            shares, taken, room = [], [], self._step.max_positions
            for place in range(first, len(rows)):
                row = rows[place]
                count = min(room, row.num_waiting)
                if not count:
                    break
                num_scored = count if scores_all else int(count == row.num_waiting)
                shares.append(Share(row.cache, row.waiting(count), num_scored))
                taken.append(place)
                room -= count
            if not shares:
                first += 1
                continue
            logits = self._step(shares, self._ranges)
            parts = logits.split([share.num_scored for share in shares])
            for place, share, part in zip(taken, shares, parts, strict=True):
                share.cache.length += len(share.positions)
                self.num_fed += len(share.positions)
                found[place].append(part.clone())  # the step's own memory holds them only until the next one
            self._prepared.count_scored(sum(len(share.positions) for share in shares))
            while first < len(rows) and not rows[first].num_waiting:
                first += 1
        return [torch.cat(parts) for parts in found]
