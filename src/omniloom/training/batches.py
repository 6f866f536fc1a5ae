"""What the loop asks of its data: any batch by its number, so that a resumed run sees what a whole one would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Packed rows: `targets` are `ids` shifted by one, `classes` the loss class of each target."""

    ids: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    classes: Int[Tensor, "B T"]
    slots: Int[Tensor, "B T"]
    documents: Int[Tensor, "B T"]


class Batches(Protocol):
    """Batches with random access."""

    def batch(self, index: int, *, num_rows: int) -> Batch:
        """Batch number `index`; the same arguments always give the same batch."""
        ...
