"""Events on their way to one client: bounded, in order, from any thread.

The model's thread and the transport's both put; the transport drains. A reader that falls too far behind is cut off
with its reason instead of growing memory. asyncio.Queue was rejected: it belongs to one loop, and the session to none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from omniloom.serving.realtime.protocol import ServerEvent

TOO_SLOW = 1008


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

    def put(self, event: ServerEvent) -> None:
        """Queue an event; after closing it is dropped, for nobody reads it."""
        text = event.model_dump_json()
        with self._changed:
            if self.closed_because is not None:
                return
            if self._bytes + len(text) > self._limit_bytes:
                self.closed_because = f"over {self._limit_bytes} bytes of events wait; connect again and read faster"
                self._waiting.clear()
            else:
                self._waiting.append(text)
                self._bytes += len(text)
            self._changed.notify_all()
        self._on_ready()

    def close(self, reason: str, *, code: int = TOO_SLOW) -> None:
        """Take no more events; those that wait can still be drained. `code` is what a WebSocket closes with."""
        with self._changed:
            if self.closed_because is None:
                self.closed_because, self.close_code = reason, code
            self._changed.notify_all()
        self._on_ready()

    def drain(self) -> list[str]:
        """All that waits, at once."""
        with self._changed:
            events = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return events

    def get(self, *, timeout_s: float) -> str:
        """The next event, waiting for it.

        Raises:
            TimeoutError: If none came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), timeout_s):
                raise TimeoutError(f"no event within {timeout_s} s")
            text = self._waiting.popleft()
            self._bytes -= len(text)
            return text
