"""A client of the realtime protocol that keeps every event with the moment at which it came, and a microphone.

Nothing of ours is in between: a plain WebSocket, JSON, and the clock. A thread reads, so that an event's time is its
arrival and not when somebody looked. The microphone gives a piece when its last sample has been heard, never before.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

WIRE_RATE_HZ = 24_000
PIECE_MS = 20
PIECE = WIRE_RATE_HZ * PIECE_MS // 1000


@dataclass(frozen=True)
class Arrival:
    """One event of the server and when it came, on this process's clock in seconds."""

    at_s: float
    event: dict[str, Any]

    @property
    def type(self) -> str:
        return self.event["type"]


@dataclass(eq=False)
class Client:
    """An open session."""

    socket: ClientConnection
    arrivals: list[Arrival] = field(default_factory=list)
    closed: str | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def send(self, **event: Any) -> float:
        """Send an event; the moment at which it went."""
        text = json.dumps(event)
        at_s = time.perf_counter()
        self.socket.send(text)
        return at_s

    def append(self, samples: Float32[np.ndarray, " N"]) -> float:
        return self.send(type="input_audio_buffer.append", audio=encoded(samples))

    def wait_for(self, is_there: Callable[[list[Arrival]], bool], *, timeout_s: float) -> bool:
        """Wait until it holds of all that came, or the time is up, or the connection ended; whether it holds."""
        with self._changed:
            self._changed.wait_for(lambda: is_there(self.arrivals) or self.closed is not None, timeout_s)
            return is_there(self.arrivals)

    def wait_for_type(self, kind: str, *, timeout_s: float = 30.0, first: int = 0) -> Arrival:
        """The first event of a kind among those from number `first` on.

        Raises:
            RuntimeError: If an error came instead, or nothing.
        """
        wanted = (kind, "error")
        self.wait_for(lambda all_: any(arrival.type in wanted for arrival in all_[first:]), timeout_s=timeout_s)
        for arrival in self.arrivals[first:]:
            if arrival.type == kind:
                return arrival
            if arrival.type == "error":
                raise RuntimeError(f"the server answered with an error: {arrival.event['error']['message']}")
        raise RuntimeError(f"no {kind} within {timeout_s} s ({self.closed or 'the connection is open'})")

    def update(self, **session: Any) -> None:
        """Change settings and wait until they hold."""
        first = len(self.arrivals)
        self.send(type="session.update", session={"type": "realtime", **session})
        self.wait_for_type("session.updated", first=first)

    def ping_ms(self) -> float:
        """A round trip through the server's event loop, nothing of a session in it."""
        start_s = time.perf_counter()
        if not self.socket.ping().wait(30):
            raise RuntimeError("no pong within 30 s")
        return 1000 * (time.perf_counter() - start_s)

    def _read(self) -> None:
        try:
            while True:
                text = self.socket.recv()
                at_s = time.perf_counter()
                arrival = Arrival(at_s, json.loads(text))
                with self._changed:
                    self.arrivals.append(arrival)
                    self._changed.notify_all()
        except ConnectionClosed as error:
            with self._changed:
                self.closed = str(error)
                self._changed.notify_all()


@contextmanager
def session(url: str) -> Iterator[Client]:
    """A session from its greeting until it is closed."""
    with connect(url, max_size=None, ping_interval=None, compression=None) as socket:
        client = Client(socket)
        reader = threading.Thread(target=client._read, daemon=True)
        reader.start()
        client.wait_for_type("session.created")
        yield client
    reader.join(5)


class Microphone:
    """Gives pieces of 20 ms to a session as time passes; `start_s` is when its first sample was heard."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.start_s = time.perf_counter()
        self.num_heard = 0
        self.worst_late_ms = 0.0

    def hear(self, samples: Float32[np.ndarray, " N"], *, until: Callable[[], bool] = lambda: False) -> None:
        """Let whole pieces be heard, each when its time is over; `until` may end it before."""
        for start in range(0, len(samples) - PIECE + 1, PIECE):
            self.num_heard += PIECE
            over_s = self.start_s + self.num_heard / WIRE_RATE_HZ
            time.sleep(max(0.0, over_s - time.perf_counter()))
            sent_s = self._client.append(samples[start : start + PIECE])
            self.worst_late_ms = max(self.worst_late_ms, 1000 * (sent_s - over_s))
            if until():
                return


def encoded(samples: Float32[np.ndarray, " N"]) -> str:
    """Base64 of 16-bit PCM."""
    return base64.b64encode((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()).decode()


def decoded(text: str) -> Float32[np.ndarray, " N"]:
    return np.frombuffer(base64.b64decode(text), "<i2").astype(np.float32) / 32768
