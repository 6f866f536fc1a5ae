"""Randomness that depends on names alone, never on what ran before.

An example is a function of (problem, split, index) and a draw a function of its keys, so that a loader may skip,
shuffle and resume freely and still make the same bits. Seeds are taken from SHA-256, because Python's own `hash`
changes between processes and adding numbers makes neighbouring streams collide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Key = str | int


def seed_of(*keys: Key) -> int:
    """A 63-bit seed that is the same for the same keys on every machine.

    Raises:
        ValueError: If there are no keys, or one is neither a string nor an integer.
    """
    if not keys:
        raise ValueError("a seed needs at least one key; name what is drawn")
    digest = hashlib.sha256()
    for key in keys:
        if not isinstance(key, str | int | np.integer):
            raise ValueError(f"a key must be a string or an integer, got {key!r}")
        # The length keeps ("ab", "c") and ("a", "bc") apart, the letter keeps "1" and 1 apart.
        text = key if isinstance(key, str) else str(int(key))
        digest.update(f"{'s' if isinstance(key, str) else 'i'}{len(text)}:{text}".encode())
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def generator(*keys: Key) -> np.random.Generator:
    """A numpy generator of its own for these keys."""
    return np.random.Generator(np.random.PCG64(seed_of(*keys)))


def torch_generator(*keys: Key, device: str = "cpu") -> torch.Generator:
    """A torch generator of its own for these keys."""
    import torch

    return torch.Generator(device).manual_seed(seed_of(*keys))


@contextmanager
def seeded(*keys: Key) -> Iterator[None]:
    """Inside, torch's global generator is seeded by the keys; afterwards it is what it was before."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed_of(*keys))
        yield
