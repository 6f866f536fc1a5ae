"""Several processes of one model behind one port: started, watched, started again, and ended in good order.

The supervisor loads no model. It opens the listening socket and hands it to every worker, so whichever is free takes
the next connection; a connection stays with its worker, and so does its session. SO_REUSEPORT was rejected: a socket
of each worker's own drops the connections that wait at it when that worker dies, and lets a second server take the same
port unnoticed.

Each worker holds one end of two pipes. Down the first comes what to do, and its end means that the supervisor is gone,
however it went: the worker then ends at once and frees the port. Up the second goes a sign of life each second; a
worker that is silent for too long is killed. Commands go by pipe and not by signal because a service manager signals
every process of a service, and a second signal is what ends a server at once. uvicorn's own supervisor was rejected: it
starts a worker that cannot start again and again, and waits for a worker's end without limit.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import multiprocess

from omniloom.serving.realtime.limits import Limits
from omniloom.serving.server import AFTER_DRAIN_S, DrainingServer

LOGGER = logging.getLogger(__name__)

CODE = "from omniloom.serving.serve import work; work()"
DRAIN, RELOAD, READY, ALIVE = b"d", b"r", b"+", b"."

SILENT_S = 60.0
"""A worker whose event loop says nothing for so long is stuck."""
STEADY_S = 60.0
"""A worker that lived so long died of something else than of starting."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
EXIT_ERROR = 2


@dataclass
class _Worker:
    """One process and what is known of it."""

    process: subprocess.Popen[bytes]
    commands: int
    signs: int
    started_s: float
    heard_s: float
    is_ready: bool = False

    def tell(self, command: bytes) -> None:
        try:
            os.write(self.commands, command)
        except OSError:
            LOGGER.info("worker %d is gone already", self.process.pid)

    def close(self) -> None:
        os.close(self.commands)
        os.close(self.signs)


class Supervisor:
    """Keeps `workers` processes running until it is told to stop; `options` is what each is told, and holds no key."""

    def __init__(
        self,
        options: dict[str, object],
        *,
        workers: int,
        limits: Limits,
        listener: socket.socket,
        on_ready: Callable[[], object],
    ) -> None:
        self._options = options
        self._reloads = options["tls_cert"] is not None
        self._limits = limits
        self._listener = listener
        self._on_ready = on_ready
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._start_at_s: dict[int, float] = dict.fromkeys(range(workers), 0.0)
        self._waits_s = dict.fromkeys(range(workers), 0.0)
        self._signals: list[int] = []
        self._has_been_ready = False
        self._folder = tempfile.TemporaryDirectory(prefix="omniloom-metrics-")

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        wake, to_wake = socket.socketpair()
        to_wake.setblocking(False)
        signal.set_wakeup_fd(to_wake.fileno())
        handled = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, *([signal.SIGHUP] if self._reloads else [])]
        before = {number: signal.signal(number, self._note) for number in handled}
        self._selector.register(wake, selectors.EVENT_READ)
        try:
            return self._watch(wake)
        finally:
            self._kill_all()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            wake.close()
            to_wake.close()
            self._selector.close()
            self._folder.cleanup()

    def _note(self, number: int, frame: object) -> None:
        self._signals.append(number)

    def _watch(self, wake: socket.socket) -> int:
        while True:
            self._start_due()
            self._listen_to_workers(wake, timeout_s=0.5)
            for number in self._take_signals():
                if number == signal.SIGHUP:
                    self._tell_all(RELOAD)
                elif number in (signal.SIGTERM, signal.SIGINT):
                    return self._leave(wake, number)
            if not self._bury():
                return EXIT_ERROR
            self._kill_silent()

    def _take_signals(self) -> list[int]:
        taken = list(self._signals)
        del self._signals[: len(taken)]
        return taken

    def _start_due(self) -> None:
        now = time.monotonic()
        for index in [index for index, at_s in self._start_at_s.items() if at_s <= now]:
            del self._start_at_s[index]
            self._start(index)

    def _start(self, index: int) -> None:
        command_out, command_in = os.pipe()
        sign_out, sign_in = os.pipe()
        os.set_blocking(sign_out, False)
        given = {"options": self._options, "worker": index, "listener": self._listener.fileno()}
        given |= {"commands": command_out, "signs": sign_in}
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, json.dumps(given)],
            pass_fds=(self._listener.fileno(), command_out, sign_in),
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._folder.name, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches every process of a session; only the supervisor is to follow it.
            start_new_session=True,
        )
        os.close(command_out)
        os.close(sign_in)
        now = time.monotonic()
        self._workers[index] = _Worker(process, command_in, sign_out, started_s=now, heard_s=now)
        self._selector.register(sign_out, selectors.EVENT_READ, index)

    def _listen_to_workers(self, wake: socket.socket, *, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is wake:
                wake.recv(4096)
                continue
            worker = self._workers[key.data]
            said = os.read(worker.signs, 4096)
            if not said:
                self._selector.unregister(worker.signs)
                continue
            worker.heard_s = time.monotonic()
            worker.is_ready |= READY in said
        if not self._has_been_ready and not self._start_at_s and all(w.is_ready for w in self._workers.values()):
            self._has_been_ready = True
            self._on_ready()

    def _bury(self) -> bool:
        """Take note of workers that have ended and plan their successors; False where none can ever start."""
        now = time.monotonic()
        for index, worker in list(self._workers.items()):
            status = worker.process.poll()
            if status is None:
                continue
            self._forget(index)
            if status == EXIT_ERROR and not worker.is_ready and not self._has_been_ready:
                return False
            is_steady = now - worker.started_s > STEADY_S
            wait_s = 0.0 if is_steady else min(max(FIRST_WAIT_S, 2 * self._waits_s[index]), LONGEST_WAIT_S)
            self._waits_s[index] = wait_s
            self._start_at_s[index] = now + wait_s
            LOGGER.error("worker %d ended with status %d; another starts in %g s", index, status, wait_s)
        return True

    def _forget(self, index: int) -> None:
        worker = self._workers.pop(index)
        if worker.signs in self._selector.get_map():
            self._selector.unregister(worker.signs)
        worker.close()
        multiprocess.mark_process_dead(worker.process.pid, self._folder.name)

    def _kill_silent(self) -> None:
        now = time.monotonic()
        for index, worker in self._workers.items():
            if worker.is_ready and now - worker.heard_s > SILENT_S:
                LOGGER.error("worker %d said nothing for %g s and is killed", index, now - worker.heard_s)
                worker.process.kill()

    def _tell_all(self, command: bytes) -> None:
        for worker in self._workers.values():
            worker.tell(command)

    def _leave(self, wake: socket.socket, number: int) -> int:
        """Have every worker drain; a second signal, or time, ends those that are left."""
        LOGGER.info("draining %d workers, for %g s at most", len(self._workers), self._limits.drain_s)
        self._tell_all(DRAIN)
        deadline_s = time.monotonic() + self._limits.drain_s + AFTER_DRAIN_S + 1.0
        while self._workers and time.monotonic() < deadline_s:
            self._listen_to_workers(wake, timeout_s=0.5)
            for index, worker in list(self._workers.items()):
                if worker.process.poll() is not None:
                    self._forget(index)
            if {signal.SIGTERM, signal.SIGINT} & set(self._take_signals()):
                LOGGER.warning("ended at once by a second signal")
                return 128 + number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        return 0

    def _kill_all(self) -> None:
        for index, worker in list(self._workers.items()):
            worker.process.kill()
            worker.process.wait()
            self._forget(index)


class Leash:
    """A worker's end of the pipes."""

    def __init__(self, *, commands: int, signs: int) -> None:
        self._commands = commands
        self._signs = signs
        self._server: DrainingServer | None = None
        os.set_blocking(signs, False)

    def follow(self) -> None:
        """Do what the supervisor says, in a thread, and end the process when the supervisor is gone."""
        threading.Thread(target=self._follow, name="omniloom-leash", daemon=True).start()

    def lead(self, server: DrainingServer) -> None:
        """Have this server do it, and say when it is ready and that it lives."""
        self._server = server
        server.is_supervised = True
        server.on_ready = lambda: self._say(READY)
        server.on_second = lambda: self._say(ALIVE)

    def _say(self, sign: bytes) -> None:
        try:
            os.write(self._signs, sign)
        except BlockingIOError:
            pass  # The supervisor has thousands of signs to read: it will.
        except OSError:
            os._exit(1)

    def _follow(self) -> None:
        while command := os.read(self._commands, 1):
            if self._server is None:
                os._exit(0)  # Told to leave while the model is still being loaded.
            elif command == DRAIN:
                self._server.leave()
            else:
                self._server.reload()
        os._exit(1)
