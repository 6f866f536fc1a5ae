"""What attention asks of a key/value cache; `generation` holds the implementations."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Float
from torch import Tensor


class KeyValueCache(Protocol):
    """Keys and values of the tokens seen so far, layer by layer."""

    def extend(
        self, layer: int, key: Float[Tensor, "B G T E"], value: Float[Tensor, "B G T E"]
    ) -> tuple[Float[Tensor, "B G S E"], Float[Tensor, "B G S E"]]:
        """Store the new tokens' keys and values and return all that attention may look at."""
        ...
