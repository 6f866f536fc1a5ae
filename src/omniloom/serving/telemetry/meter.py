"""What the answers of one session tell the metrics, read off the events that it sends.

A session tells its events to a sink; this one counts and passes them on, whatever dialect they are put into after it,
so that no session knows of metrics. Where the server limits a client, what it may still ask for after each answer is
filled in here.
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
        self._sink.put(self._with_limits(event) if isinstance(event, p.RateLimitsUpdated) else event)
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

    def _with_limits(self, event: p.RateLimitsUpdated) -> p.RateLimitsUpdated:
        standings = self._visit.allowance.standing() if self._visit.allowance is not None else []
        found = {
            standing.name: p.RateLimit(
                name=standing.name,
                limit=standing.limit,
                remaining=standing.remaining,
                reset_seconds=standing.reset_s,
            )
            for standing in standings
        }
        return event.model_copy(update={"rate_limits": [found.get(limit.name, limit) for limit in event.rate_limits]})
