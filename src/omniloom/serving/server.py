"""uvicorn's server, which leaves in good order: the first signal drains, the second ends it at once.

uvicorn itself closes the listening socket and every WebSocket on the first signal, in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from omniloom.serving.guard.drain import Drain

LOGGER = logging.getLogger(__name__)

AFTER_DRAIN_S = 5.0
"""For sockets to close and threads to end once draining is over; then the process ends without them."""


class DrainingServer(uvicorn.Server):
    """A server that answers what was asked before it leaves, for `drain_s` at most."""

    def __init__(self, config: uvicorn.Config, *, drain: Drain, drain_s: float, handshake_s: float) -> None:
        super().__init__(config)
        self.on_ready: Callable[[], object] = lambda: None
        self.on_second: Callable[[], object] = lambda: None
        self.owns_process = False
        """Nothing else runs in the process: it may be ended where a thread does not let it; what is loaded stays."""
        self.is_supervised = False
        """A supervisor says when to leave; signals, which a service manager sends to every process, never end it."""
        self._drain = drain
        self._drain_s = drain_s
        self._handshake_s = handshake_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves half a handshake of TLS to the loop's own bound of a minute."""
        if self.config.ssl is None:
            await super().startup(sockets)
            return
        loop = asyncio.get_running_loop()
        loop.create_server = partial(loop.create_server, ssl_handshake_timeout=self._handshake_s)  # type: ignore[method-assign]
        try:
            await super().startup(sockets)
        finally:
            del loop.create_server

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        is_alone = not self.is_supervised and threading.current_thread() is threading.main_thread()
        if self.config.ssl is not None and is_alone:
            self._loop.add_signal_handler(signal.SIGHUP, self.reload)
        if self.owns_process:
            _keep_what_is_loaded()
        self.on_ready()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.is_supervised:
            self.leave()
        elif self._loop is None or self._drain.is_begun:
            os._exit(128 + sig)
        else:
            if sig == signal.SIGINT:
                self._captured_signals.append(sig)
            self.leave()

    def leave(self) -> None:
        """Drain and end; from any thread, and once."""
        if self._loop is None:
            os._exit(0)
        if not self._drain.is_begun:
            self._drain.is_begun = True
            self._loop.call_soon_threadsafe(self._begin_to_leave)

    def reload(self) -> None:
        """Read the certificate again; connections that are open keep theirs."""
        if self.config.ssl is not None and self.config.ssl_certfile is not None:
            try:
                self.config.ssl.load_cert_chain(self.config.ssl_certfile, self.config.ssl_keyfile)
            except (OSError, ValueError) as error:
                LOGGER.error("the certificate was not changed: %s", error)
            else:
                LOGGER.info("the certificate was read again")

    def _begin_to_leave(self) -> None:
        self._drain.begin()
        if self.owns_process:
            watchdog = threading.Timer(self._drain_s + AFTER_DRAIN_S, os._exit, (1,))
            watchdog.daemon = True
            watchdog.start()
        self._leaving = asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        LOGGER.info("draining: nothing new is taken, %d requests and sessions run", self._drain.num_running)
        if not await self._drain.finish(within_s=self._drain_s):
            LOGGER.warning("%d requests or sessions did not end within %g s", self._drain.num_running, self._drain_s)
        await asyncio.sleep(0.1)  # Sockets that are told to close say so before the transport goes.
        self.should_exit = True


def _keep_what_is_loaded() -> None:
    """Take all that exists by now out of the collector's rounds, each of which stops every thread until it is through.

    Of the shipped model's server those are 257 thousand objects, and a whole round takes 150 ms of a core.
    """
    gc.collect()
    gc.freeze()
