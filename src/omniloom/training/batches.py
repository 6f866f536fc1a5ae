"""What the loop asks of its data: any batch by its number, so that a resumed run sees what a whole one would."""

from __future__ import annotations

from typing import Protocol

from omniloom.data.packing import Batch


class Batches(Protocol):
    """Batches with random access; `data.packing.PackedLoader` is one."""

    def batch(self, step: int) -> Batch:
        """Batch number `step`; the same number always gives the same batch."""
        ...
