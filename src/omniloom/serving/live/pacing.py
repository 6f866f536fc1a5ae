"""Speech sent at the pace of its playback, so that a listener who interrupts has at most `LEAD_MS` of it to drop.

The model speaks several times faster than real time. The realtime protocol sends what there is and has clients say
what they played; Live has no such event, so the server must not have sent what is not to be heard. A thread that
sleeps between pieces was rejected: whoever sends waits anyway, and only needs to know until when.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from omniloom.serving.live import protocol as w
from omniloom.serving.realtime.outbox import Outbox

LEAD_MS = 200
"""How far ahead of playback sound is sent: enough for a network's jitter, short enough to be interrupted."""
PIECE_MS = 100
"""Longest piece of sound in one event; speech can be stopped between two."""
SILENCE = {"audio/pcm": b"\x00", "audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}
"""The byte that is silence in each format (ITU-T G.711, table 1 and 2, the smallest positive values)."""


def bytes_per_ms(format: w.AudioFormat) -> int:
    return format.rate * 2 // 1000 if isinstance(format, w.PcmFormat) else 8


class PacedOutbox(Outbox):
    """An outbox whose events may wait for their time; the others go past them."""

    def __init__(
        self,
        *,
        limit_bytes: int,
        on_ready: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limit_bytes=limit_bytes, on_ready=on_ready)
        self.clock = clock
        self._later: deque[tuple[float, str]] = deque()

    def put_at(self, event: w.OutputAudioDelta | w.ServerEvent, due_s: float) -> None:
        """Queue an event that is not to be sent before `due_s`; times never run backwards."""
        text = event.model_dump_json()
        with self._changed:
            if self._takes(text):
                self._later.append((due_s, text))
            self._changed.notify_all()
        self._on_ready()

    def drop_later(self) -> None:
        """Forget what was not due yet."""
        with self._changed:
            self._bytes -= sum(len(text) for _, text in self._later)
            self._later.clear()

    def pop(self) -> str | None:
        with self._changed:
            if self._waiting or not self._later or self._later[0][0] > self.clock():
                return self._next()
            _, text = self._later.popleft()
            self._bytes -= len(text)
            return text

    def due_in_s(self) -> float | None:
        with self._changed:
            return max(0.0, self._later[0][0] - self.clock()) if self._later else None


@dataclass(frozen=True)
class Cut:
    """Where speech was cut off: what the user heard of an item."""

    item_id: str
    content_index: int
    heard_ms: int


class Playback:
    """One voice's sound on its way out: which piece is due when, and how much has been heard."""

    def __init__(self, outbox: PacedOutbox, format: w.AudioFormat, *, started_s: float) -> None:
        self._outbox = outbox
        self._per_ms = bytes_per_ms(format)
        self._started_s = started_s
        self._guard = threading.Lock()
        self._texts: list[str] = []
        self._item: tuple[str, int] | None = None
        self._cut: tuple[str, int] | None = None
        self._first_s = 0.0
        """When the item's first sample is played."""
        self._queued_ms = 0.0

    @property
    def is_playing(self) -> bool:
        with self._guard:
            return self._item is not None and self._played_ms() < self._queued_ms

    def now_ms(self) -> int:
        """The place of this moment on the session's timeline."""
        return round((self._outbox.clock() - self._started_s) * 1000)

    def add_text(self, delta: str, item: tuple[str, int]) -> None:
        """Words whose sound comes next."""
        with self._guard:
            if item != self._cut:
                self._begin(item)
                self._texts.append(delta)

    def add_sound(self, encoded: str, item: tuple[str, int]) -> None:
        """Sound of an item, in the session's format."""
        with self._guard:
            if item == self._cut:
                return
            self._begin(item)
            sound = base64.b64decode(encoded)
            lasts_ms = len(sound) / self._per_ms
            # Sound that comes too late for its place moves everything after it.
            self._first_s = max(self._first_s, self._outbox.clock() - self._queued_ms / 1000)
            self._tell_texts(until_ms=self._queued_ms + lasts_ms)
            for start in range(0, len(sound), PIECE_MS * self._per_ms):
                piece = sound[start : start + PIECE_MS * self._per_ms]
                event = w.OutputAudioDelta(delta=base64.b64encode(piece).decode())
                self._outbox.put_at(event, self._due_s())
                self._queued_ms += len(piece) / self._per_ms

    def finish(self) -> None:
        """The item has ended; words without sound are told now."""
        with self._guard:
            self._tell_texts(until_ms=self._queued_ms)

    def interrupt(self) -> Cut | None:
        """Send no more of what is being said; where it was cut off, or None where all of it was heard."""
        with self._guard:
            self._outbox.drop_later()
            item, played_ms = self._item, self._played_ms()
            self._item, self._cut = None, item or self._cut
            self._texts.clear()
            if item is None or played_ms >= self._queued_ms:
                return None
            return Cut(*item, heard_ms=int(played_ms))

    def _begin(self, item: tuple[str, int]) -> None:
        if item == self._item:
            return
        now = self._outbox.clock()
        still_playing_s = self._first_s + self._queued_ms / 1000 if self._item is not None else now
        self._item, self._first_s, self._queued_ms = item, max(now, still_playing_s), 0.0

    def _played_ms(self) -> float:
        return min(self._queued_ms, max(0.0, (self._outbox.clock() - self._first_s) * 1000))

    def _due_s(self) -> float:
        return self._first_s + (self._queued_ms - LEAD_MS) / 1000

    def _tell_texts(self, *, until_ms: float) -> None:
        if not self._texts:
            return
        origin_ms = (self._first_s - self._started_s) * 1000
        event = w.OutputTranscriptDelta(
            delta="".join(self._texts),
            start_ms=round(origin_ms + self._queued_ms),
            end_ms=round(origin_ms + until_ms),
        )
        self._texts.clear()
        self._outbox.put_at(event, self._due_s())
