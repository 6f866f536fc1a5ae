"""What the answers of one session tell the metrics, read off the events that it sends.

A session tells its events to a sink; this one counts and passes them on, whatever dialect they are put into after it,
so that no session knows of metrics. What a client may still ask for is told here too, after each answer's beginning,
where there is a limit.
"""

from __future__ import annotations

import time
from typing import Any

from omniloom.serving.guard.visit import Visit
from omniloom.serving.realtime import protocol as p


class MeteredSink:
    """Counts the events of a session on their way to `sink`."""

    def __init__(self, sink: Any, visit: Visit) -> None:
        self._sink = sink
        self._visit = visit
        self._since_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def put(self, event: Any) -> None:
        self._sink.put(event)
        if isinstance(event, p.ResponseCreated):
            self._tell_limits()
        if self._visit.metrics is not None:
            self._count(event)

    def _count(self, event: Any) -> None:
        assert self._visit.metrics is not None
        if isinstance(event, p.SpeechStopped):
            self._since_s = time.perf_counter()
        elif isinstance(event, p.ResponseCreated):
            self._since_s = self._since_s or time.perf_counter()
        elif isinstance(event, p.OutputAudioDelta) and self._since_s is not None:
            self._visit.metrics.add_first_audio(time.perf_counter() - self._since_s)
            self._since_s = None
        elif isinstance(event, p.ResponseDone):
            self._since_s = None
            self._visit.metrics.add_response(event.response.status)

    def _tell_limits(self) -> None:
        standings = self._visit.allowance.standing() if self._visit.allowance is not None else []
        if standings:
            limits = [
                p.RateLimit(name=found.name, limit=found.limit, remaining=found.remaining, reset_seconds=found.reset_s)
                for found in standings
            ]
            self._sink.put(p.RateLimitsUpdated(rate_limits=limits))
