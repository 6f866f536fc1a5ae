"""Memory for the keys and values of rows: a budget that all rows of a model share, and one row's part of it.

A row of the native decode step has addresses for the whole context, and memory only for the positions that it holds:
the system's own pages do what a table of blocks would, and the step reads each head's keys in one stretch. So growing
copies nothing, and what a row forgets goes back to the system at once. Rejected: an ordinary tensor, whose memory the
allocator keeps once it has been touched; and slots of equal size, of which an idle session would hold a whole one.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from typing import Protocol, Self

import torch
from torch import Tensor

from omniloom.kernels import CacheRow
from omniloom.models.omni import OmniConfig

BLOCK = 64
"""Positions that a row's memory grows by: a few words, or two and a half seconds of sound."""

DEFAULT_CACHE_BYTES = 2**30
"""Room for 170 conversations of the shipped model that fill its context, or 2,000 of a few turns."""


class OutOfCache(ValueError):
    """All memory for keys and values is taken: nothing was added, and the same may be tried again later."""


class CacheBudget:
    """Bytes that the rows of one model may hold together; safe to use from several threads."""

    def __init__(self, budget_bytes: int) -> None:
        if budget_bytes < 1:
            raise ValueError(f"cache_bytes must be at least 1, got {budget_bytes}")
        self.budget_bytes = budget_bytes
        self._used = 0
        self._lock = threading.Lock()
        # Given back by finalizers too, which may run anywhere, even where this thread holds the lock.
        self._given: deque[int] = deque()

    @property
    def used_bytes(self) -> int:
        with self._lock:
            return self._settled()

    def take(self, num_bytes: int) -> None:
        """
        Raises:
            OutOfCache: If there is no room; nothing is taken then.
        """
        with self._lock:
            used = self._settled()
            if used + num_bytes > self.budget_bytes:
                raise OutOfCache(
                    f"{used:,} of {self.budget_bytes:,} bytes for keys and values are taken and {num_bytes:,} more are "
                    "needed; end a conversation, try again later, or load the model with larger cache_bytes"
                )
            self._used += num_bytes

    def give(self, num_bytes: int) -> None:
        self._given.append(num_bytes)

    def _settled(self) -> int:
        while self._given:
            self._used -= self._given.popleft()
        return self._used


class Cache(Protocol):
    """One row's keys and values, wherever they lie: `length` positions of them, with room for `capacity`."""

    length: int

    @property
    def capacity(self) -> int: ...

    def reserve(self, num_positions: int) -> None:
        """Make room for so many positions in all.

        Raises:
            OutOfCache: If the budget does not allow it.
        """
        ...

    def release(self, num_positions: int) -> None:
        """Give back what is not needed for so many positions."""
        ...

    def copy(self, source: Self, first: int) -> None:
        """Hold from position `first` on what another row of the model holds, which is the same before it.

        Raises:
            OutOfCache: If the budget does not allow it.
        """
        ...


def blocks_for(num_positions: int) -> int:
    return -(-num_positions // BLOCK)


def position_bytes(config: OmniConfig) -> int:
    """Of one position's keys and values in float32."""
    return 2 * config.depth * config.attention.num_kv_heads * config.attention.head_width * 4


class RowCache:
    """One row of the native decode step, up to the context's length."""

    def __init__(self, config: OmniConfig, budget: CacheBudget) -> None:
        self.length = 0
        self.capacity = 0
        self._config = config
        self._budget = budget
        self._memory: mmap.mmap | None = None
        self._row: CacheRow | None = None

    @property
    def row(self) -> CacheRow:
        assert self._row is not None, "a row without positions has no memory"
        return self._row

    def reserve(self, num_positions: int) -> None:
        if num_positions <= self.capacity:
            return
        capacity = blocks_for(num_positions) * BLOCK
        self._budget.take((capacity - self.capacity) * position_bytes(self._config))
        self.capacity = capacity
        if self._row is None:
            self._row = CacheRow(*self._mapped())

    def copy(self, source: RowCache, first: int) -> None:
        self.reserve(source.length)
        if first < source.length:
            here = slice(first, source.length)
            self.row.keys[:, :, here] = source.row.keys[:, :, here]
            self.row.values[:, :, here] = source.row.values[:, :, here]
        self.length = source.length

    def release(self, num_positions: int) -> None:
        capacity = blocks_for(num_positions) * BLOCK
        if capacity >= self.capacity or self._memory is None:
            return
        self._budget.give((self.capacity - capacity) * position_bytes(self._config))
        self.capacity = capacity
        if not capacity:
            self._memory = self._row = None
            return
        if not hasattr(mmap, "MADV_DONTNEED"):  # Windows gives back when the conversation ends.
            return
        width = self._config.attention.head_width * 4
        stretch = self._config.context * width
        for first in range(0, len(self._memory), stretch):
            start = -(-(first + capacity * width) // mmap.PAGESIZE) * mmap.PAGESIZE
            stop = (first + stretch) // mmap.PAGESIZE * mmap.PAGESIZE
            if start < stop:
                self._memory.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def _mapped(self) -> tuple[Tensor, Tensor]:
        attention = self._config.attention
        shape = (2, self._config.depth, attention.num_kv_heads, self._config.context, attention.head_width)
        num_bytes = position_bytes(self._config) * self._config.context
        # Private: what is shared, as `mmap` would have it, is not given back.
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
        self._memory = mmap.mmap(-1, num_bytes, **private)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):  # A huge page would hold the next heads' positions, too.
            self._memory.madvise(mmap.MADV_NOHUGEPAGE)
        keys, values = torch.frombuffer(self._memory, dtype=torch.float32).view(shape)
        return keys, values

    def __del__(self) -> None:
        if self.capacity:
            self._budget.give(self.capacity * position_bytes(self._config))
