"""What the parts of a session share: its settings, its items, the model's memory, and the threads of the model.

A client's events are followed in the transport's thread; what the model does for them are jobs of the session's worker,
in order. What may happen beside that (answers out of band, transcripts) has a second worker. Neither holds a thread
while it has nothing to do. What a job finds wrong is told with the `event_id` that caused it, and the session goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from omniloom.generation import Omni, OutOfCache
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.dialogue.contents import without_media
from omniloom.serving.realtime.dialogue.items import ItemList
from omniloom.serving.realtime.dialogue.memory import Memory
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.outbox import EventSink
from omniloom.serving.realtime.worker import Worker, threads_of

LOGGER = logging.getLogger(__name__)

Job = Callable[[], None]


class SessionCore:
    """One session's shared state."""

    def __init__(
        self, omni: Omni, *, outbox: EventSink, settings: p.Session, limits: Limits, turns_remembered: int | None
    ) -> None:
        self.omni = omni
        self.limits = limits
        self.settings: p.Session | p.TranscriptionSession = settings
        self.conversation_id = p.new_id("conv")
        self.items = ItemList(limit=limits.items)
        self.memory = Memory(omni, turns_remembered=turns_remembered)
        self._outbox = outbox
        self._worker, self._aside = self._new_worker(), self._new_worker()

    def emit(self, event: p.ServerEvent) -> None:
        self._outbox.put(event)

    def announce(self, item: p.Item, *, after: str | None = None) -> None:
        """Put an item that is whole into the conversation, and tell it; `drop_overflow` may be due then."""
        item = without_media(item)
        previous = self.items.add(item, after=after)
        self.emit(p.ConversationItemAdded(previous_item_id=previous, item=item))
        self.emit(p.ConversationItemDone(previous_item_id=previous, item=item))

    def drop_overflow(self) -> None:
        """Delete the oldest items where there are too many."""
        for item_id in self.items.pop_overflow():
            self.emit(p.ConversationItemDeleted(item_id=item_id))
            self.submit(lambda item_id=item_id: self.memory.remove(item_id))  # type: ignore[misc]

    def submit(self, job: Job, *, event_id: str | None = None, num_bytes: int = 0, is_aside: bool = False) -> None:
        """Have the model do something after all that it was given to do before, or beside that.

        Raises:
            RequestError: If too much waits; the session is closed then.
        """

        def run() -> None:
            try:
                job()
            except Exception as error:
                self.emit(p.Error(error=self.recover(error, event_id=event_id, is_aside=is_aside)))

        worker = self._aside if is_aside else self._worker
        if not worker.submit(run, num_bytes=num_bytes):
            self._outbox.close("input comes faster than the model can take it in; the session was closed")
            raise RequestError("input comes faster than the model can take it in", code="overloaded")

    def recover(self, error: Exception, *, event_id: str | None = None, is_aside: bool = False) -> p.ErrorDetails:
        """After a job failed: what to tell; and the model's row is made anew where that was it. In the job's thread."""
        if isinstance(error, RequestError):
            return error.details(event_id)
        if isinstance(error, OutOfCache):
            details = p.ErrorDetails(type="server_error", code="server_busy", message=str(error), event_id=event_id)
            error.__traceback__ = None  # Its frames hold the old row, whose memory the new one needs.
        elif isinstance(error, ValueError):
            details = p.ErrorDetails(
                type="invalid_request_error", code="model_refused_input", message=str(error), event_id=event_id
            )
        else:
            LOGGER.error("the model failed", exc_info=error)
            details = internal_error(event_id)
        if not is_aside:
            try:
                self.memory.begin_again()
            except Exception:  # What is remembered is itself what fails: nothing of it can be kept.
                LOGGER.exception("a conversation could not be stated again; it is forgotten")
                self.memory.forget()
        return details

    def close(self) -> None:
        self._worker.stop()
        self._aside.stop()
        self._outbox.close("the session was closed")

    def join(self, *, timeout_s: float) -> bool:
        """Wait for the threads to end; False where they have not in time."""
        has_ended = self._worker.join(timeout_s=timeout_s)
        return self._aside.join(timeout_s=timeout_s) and has_ended

    def _new_worker(self) -> Worker:
        threads = threads_of(self.limits.session_threads)
        return Worker(threads=threads, limit=self.limits.waiting_jobs, limit_bytes=self.limits.waiting_bytes)


def internal_error(event_id: str | None) -> p.ErrorDetails:
    message = "something failed inside the server; its log says what. The session goes on."
    return p.ErrorDetails(type="server_error", code="internal_error", message=message, event_id=event_id)
