"""Events on their way to one client: bounded, in order, from any thread.

The model's thread and the transport's both put; the transport takes one after another, so what it has not sent still
counts. A reader that falls too far behind is cut off with its reason instead of growing memory. asyncio.Queue was
rejected: it belongs to one loop, and the session to none.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from omniloom.serving.realtime.protocol import Wire

TOO_SLOW = 1008


class EventSink(Protocol):
    """Where a session puts its events: an outbox, or a dialect that tells them in other words."""

    def put(self, event: Wire) -> None: ...

    def close(self, reason: str) -> None: ...


class Outbox:
    """Serialised events that wait to be sent, at most `limit_bytes` of them."""

    def __init__(self, *, limit_bytes: int, on_ready: Callable[[], None] = lambda: None) -> None:
        self.closed_because: str | None = None
        self.close_code = TOO_SLOW
        self._limit_bytes = limit_bytes
        self._on_ready = on_ready
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def put(self, event: Wire) -> None:
        """Queue an event; after closing it is dropped, for nobody reads it."""
        text = event.model_dump_json()
        with self._changed:
            if self._takes(text):
                self._waiting.append(text)
            self._changed.notify_all()
        self._on_ready()

    def close(self, reason: str, *, code: int = TOO_SLOW) -> None:
        """Take no more events; those that wait can still be taken. `code` is what a WebSocket closes with."""
        with self._changed:
            if self.closed_because is None:
                self.closed_because, self.close_code = reason, code
            self._changed.notify_all()
        self._on_ready()

    def pop(self) -> str | None:
        """The next event to send now, if there is one."""
        with self._changed:
            return self._next()

    def due_in_s(self) -> float | None:
        """How long until an event that waits for its time may be sent; None where none waits."""
        return None

    def get(self, *, timeout_s: float) -> str:
        """The next event, waiting for it.

        Raises:
            TimeoutError: If none came in time.
        """
        deadline = time.monotonic() + timeout_s
        while (text := self.pop()) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no event within {timeout_s} s")
            due_s = self.due_in_s()
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting), left_s if due_s is None else min(left_s, due_s))
        return text

    def _takes(self, text: str) -> bool:
        """Count an event that is to be queued; False where nothing is taken any more."""
        if self.closed_because is not None:
            return False
        if self._bytes + len(text) > self._limit_bytes:
            self.closed_because = f"over {self._limit_bytes} bytes of events wait; connect again and read faster"
            self._waiting.clear()
            return False
        self._bytes += len(text)
        return True

    def _next(self) -> str | None:
        if not self._waiting:
            return None
        text = self._waiting.popleft()
        self._bytes -= len(text)
        return text
