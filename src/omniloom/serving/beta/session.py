"""A session in the beta protocol: a GA session, with the client's events translated to it and its own back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from omniloom.serving.beta import protocol as b
from omniloom.serving.beta.translation import to_beta, to_ga
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.outbox import EventSink
from omniloom.serving.realtime.parsing import as_request_error, events_by_type, read_message
from omniloom.serving.realtime.session import RealtimeSession

EVENTS = events_by_type(b.CLIENT_EVENTS)


class BetaSession:
    """What a `RealtimeSession` is to a GA client."""

    def __init__(
        self, new_session: Callable[..., RealtimeSession], *, outbox: EventSink, limits: Limits = Limits()
    ) -> None:
        """`new_session(outbox=…)` makes the GA session inside."""
        self._outbox = outbox
        self._limits = limits
        self._told = _BetaSink(outbox)
        self._inner = new_session(outbox=self._told)

    def handle(self, message: str | bytes) -> None:
        """Follow one client event; whatever is wrong with it becomes one `error` event."""
        try:
            event = read_message(message, self._limits, EVENTS)
        except RequestError as error:
            self._outbox.put(p.Error(error=error.details()))
            return
        try:
            asked = to_ga(event)
        except ValidationError as error:  # The GA protocol's bounds are its own; what they refuse it names.
            self._told.put(p.Error(error=as_request_error(error).details(event.event_id)))
        else:
            self._inner.follow(asked)

    @property
    def is_answering(self) -> bool:
        """Whether an answer was asked for whose `response.done` is not out yet."""
        return self._inner.is_answering

    def close(self) -> None:
        """Stop the model for this session and take no more events."""
        self._inner.close()

    def join(self, *, timeout_s: float) -> bool:
        """Wait until the session's thread has ended; False where it has not in time."""
        return self._inner.join(timeout_s=timeout_s)


class _BetaSink:
    """Takes GA events and puts beta ones into an outbox."""

    def __init__(self, outbox: EventSink) -> None:
        self._outbox = outbox

    def put(self, event: Any) -> None:
        translated = to_beta(event)
        if translated is not None:
            self._outbox.put(translated)

    def close(self, reason: str) -> None:
        self._outbox.close(reason)
