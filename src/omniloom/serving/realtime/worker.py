"""A session's jobs in their order, in threads that sessions borrow only while they have something to do.

A session's jobs (hear this, add that, answer) run one after another, whatever thread runs them, so the state that a
model keeps for a conversation is only ever touched from one place at a time; the model's own steps are taken for all
sessions together (`generation.engine`). A thread for each session was rejected: most sessions are silent most of the
time, and a sleeping thread keeps its stack. An answer keeps its thread from its first token to its last, so the bound
on threads is one on answers at once. `ThreadPoolExecutor` was rejected: Python waits for its threads when it ends, for
ever where one of them waits for a client.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import cache, partial

LOGGER = logging.getLogger(__name__)

Job = Callable[[], None]

IDLE_S = 10.0
"""After so long without work a thread ends: between two turns of a conversation it stays, after it it goes."""


class Threads:
    """At most `limit` threads; work that finds none free waits for one, the longest first."""

    def __init__(self, limit: int, *, idle_s: float = IDLE_S) -> None:
        self._limit = limit
        self._idle_s = idle_s
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._num_threads = self._num_idle = 0

    @property
    def num_threads(self) -> int:
        with self._changed:
            return self._num_threads

    def run(self, work: Job) -> None:
        """Have a thread do this; returns at once."""
        with self._changed:
            self._waiting.append(work)
            if self._num_idle >= len(self._waiting):
                self._changed.notify()
            elif self._num_threads < self._limit:
                self._num_threads += 1
                threading.Thread(target=self._work, name="omniloom-session", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._num_idle += 1
                has_come = self._changed.wait_for(lambda: bool(self._waiting), self._idle_s)
                self._num_idle -= 1
                if not has_come:
                    self._num_threads -= 1
                    return
                work = self._waiting.popleft()
            try:
                work()
            except Exception:  # What works here reports its own errors; a bug in that must not cost a thread.
                LOGGER.exception("work of a session failed unexpectedly")
            del work  # or a thread that waits would keep the last session alive


@cache
def threads_of(limit: int) -> Threads:
    """The threads that all sessions of one limit share."""
    return Threads(limit)


class Worker:
    """Runs jobs in order until it is stopped; holds a thread only while there are any.

    At most `limit` jobs wait, and `limit_bytes` of what they hold, the job that runs included.
    """

    def __init__(self, *, threads: Threads, limit: int, limit_bytes: int) -> None:
        self._threads = threads
        self._limit, self._limit_bytes = limit, limit_bytes
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_running = self._is_stopped = False
        # Whoever opened the session is who its answers are counted for, whatever thread they run in.
        self._context = contextvars.copy_context()

    def submit(self, job: Job, *, num_bytes: int = 0) -> bool:
        """Queue a job that holds so much sound or pictures; False where too many or too much wait already."""
        with self._changed:
            if self._is_stopped:
                return True  # Nobody waits for it any more.
            if len(self._jobs) >= self._limit or self._bytes + num_bytes > self._limit_bytes:
                return False
            self._jobs.append((job, num_bytes))
            self._bytes += num_bytes
            is_first, self._is_running = not self._is_running, True
        if is_first:
            self._threads.run(partial(self._context.copy().run, self._run))
        return True

    def stop(self) -> None:
        """Run no job that has not begun; does not wait for the one that runs."""
        with self._changed:
            self._is_stopped = True
            self._jobs.clear()

    def join(self, *, timeout_s: float) -> bool:
        """Wait until no job runs; False where one still does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_running, timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                job, num_bytes = self._jobs.popleft()
            try:
                job()
            except Exception:  # A job reports its own errors; this keeps a bug in that from ending the session.
                LOGGER.exception("a job of a session failed unexpectedly")
            del job
            with self._changed:
                self._bytes -= num_bytes
