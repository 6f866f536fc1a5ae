"""What the server keeps for a client's next request: replies by name, for some time and up to some number.

A name is a secret of whoever got it. What is oldest goes first, so that clients who never come back cost nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Store(Generic[T]):
    """At most `limit` values, each for `seconds`; threads may share it."""

    def __init__(self, *, limit: int, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, name: str, value: T) -> int:
        """Keep a value; until when, in seconds of the epoch."""
        expires = self._clock() + self._seconds
        with self._guard:
            self._kept[name] = (expires, value)
            self._kept.move_to_end(name)
            self._drop()
        return int(expires)

    def get(self, name: str) -> T | None:
        """The value, while it is kept."""
        with self._guard:
            self._drop()
            found = self._kept.get(name)
        return None if found is None else found[1]

    def pop(self, name: str) -> T | None:
        """The value, which is not kept any longer."""
        with self._guard:
            self._drop()
            found = self._kept.pop(name, None)
        return None if found is None else found[1]

    def __len__(self) -> int:
        with self._guard:
            self._drop()
            return len(self._kept)

    def _drop(self) -> None:
        now = self._clock()
        while self._kept:
            expires, _ = next(iter(self._kept.values()))
            if expires > now and len(self._kept) <= self._limit:
                break
            self._kept.popitem(last=False)
