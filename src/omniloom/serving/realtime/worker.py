"""One thread for each session that talks to the model, and a lock by which sessions share it fairly.

A session's jobs (hear this, add that, answer) run in order in its own thread, so whatever state a model keeps for a
conversation is only ever touched from one place. Between two steps of an answer the lock goes to whoever waited
longest. A pool was rejected: an answer is a generator that must stay in one thread, and interleaving needs no pool.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger(__name__)

Job = Callable[[], None]


class FairLock:
    """A lock that is granted in the order it was asked for; a plain one lets a busy thread take it again and again."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        turn = threading.Event()
        with self._guard:
            if self._is_held or self._waiting:
                self._waiting.append(turn)
            else:
                self._is_held = True
                turn.set()
        turn.wait()
        try:
            yield
        finally:
            with self._guard:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._is_held = False


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
