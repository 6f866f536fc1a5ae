"""Leaving in good order: nothing new begins, what runs may end, and who still holds on is told why and when.

A balancer sees 503 at `/ready` and sends clients elsewhere; the listening socket stays open meanwhile, for a refused
connection says less than an answer. Sessions follow `begun` by themselves: one that is silent closes at once, one
that answers closes after its answer.
"""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from omniloom.serving.guard.refusal import Refusal

SERVICE_RESTART = 1012
REASON = "the server is about to restart; connect again"

ALWAYS_PATHS = frozenset({"/health", "/ready", "/metrics"})

DRAINING = Refusal(
    status=503,
    type="server_error",
    code="server_draining",
    message="the server is about to restart and takes nothing new; try again in a few seconds",
    headers=(("retry-after", "5"), ("connection", "close")),
)


class Drain:
    """Whether the server is leaving, and what still runs on it."""

    def __init__(self) -> None:
        self.is_begun = False
        self.is_over = False
        """Time is up: what still runs is to close now."""
        self.num_running = 0
        """Requests and sockets that have not ended."""
        self._begun: list[asyncio.Event] = []

    def begin(self) -> None:
        """Take nothing new from now on; in the thread of the event loop."""
        self.is_begun = True
        for event in self._begun:
            event.set()

    async def begun(self) -> None:
        """Wait until it begins."""
        if self.is_begun:
            return
        event = asyncio.Event()
        self._begun.append(event)
        try:
            await event.wait()
        finally:
            self._begun.remove(event)

    async def finish(self, *, within_s: float) -> bool:
        """Wait until nothing runs any more; False where something still does after so long."""
        deadline = time.monotonic() + within_s
        while self.num_running and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.is_over = True
        return self.num_running == 0


class Draining:
    """Middleware that counts what runs, and refuses what is new once draining has begun."""

    def __init__(self, app: ASGIApp, *, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in ALWAYS_PATHS:
            await self._app(scope, receive, send)
            return
        if self._drain.is_begun:
            await DRAINING.send(scope, receive, send)
            return
        self._drain.num_running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._drain.num_running -= 1
