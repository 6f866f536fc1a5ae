"""One thread for each session that talks to the model.

A session's jobs (hear this, add that, answer) run in order in its own thread, so whatever state a model keeps for a
conversation is only ever touched from one place; the model's own steps are taken for all sessions together
(`generation.engine`). A pool was rejected: an answer is a generator that must stay in one thread, and one that waits
for its next token would hold a worker of the pool.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable

LOGGER = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker:
    """A thread that runs jobs in order until it is stopped.

    At most `limit` jobs wait, and `limit_bytes` of what they hold, the job that runs included.
    """

    def __init__(self, *, name: str, limit: int, limit_bytes: int) -> None:
        self._jobs: queue.Queue[tuple[Job, int] | None] = queue.Queue(limit)
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, *, num_bytes: int = 0) -> bool:
        """Queue a job that holds so much sound or pictures; False where too many or too much wait already."""
        with self._guard:
            if self._bytes + num_bytes > self._limit_bytes:
                return False
            try:
                self._jobs.put_nowait((job, num_bytes))
            except queue.Full:
                return False
            self._bytes += num_bytes
        return True

    def stop(self) -> None:
        """Run no job that has not begun; does not wait for the one that runs."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):  # Where it is full, the thread sees `_stopping` after the job it is at.
            self._jobs.put_nowait(None)

    def join(self, *, timeout_s: float) -> bool:
        """Wait for the thread to end; False where it has not in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            waiting = self._jobs.get()
            if waiting is None or self._stopping.is_set():
                return
            job, num_bytes = waiting
            try:
                job()
            except Exception:  # A job reports its own errors; this keeps a bug in that from ending the session.
                LOGGER.exception("a job of a session failed unexpectedly")
            with self._guard:
                self._bytes -= num_bytes
