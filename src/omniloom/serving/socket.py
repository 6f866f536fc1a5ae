"""WebSockets around sessions: a socket's messages go to `RealtimeSession.handle` in a thread, its outbox goes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi import WebSocket, WebSocketDisconnect

from omniloom.serving.guard.drain import REASON, SERVICE_RESTART, Drain
from omniloom.serving.realtime import Limits, Outbox, RealtimeSession
from omniloom.serving.realtime import protocol as p

LOGGER = logging.getLogger(__name__)

TRY_AGAIN_LATER, WRONG_MODEL = 1013, 4004


class SessionSockets:
    """Every socket that is open, each with the session that `new_session(outbox=…)` made for it."""

    def __init__(
        self, new_session: Callable[..., RealtimeSession], *, model_name: str, limits: Limits, drain: Drain
    ) -> None:
        self._drain = drain
        self._new_session = new_session
        self._model_name = model_name
        self._limits = limits
        self._sessions: set[RealtimeSession] = set()

    @property
    def num_sessions(self) -> int:
        return len(self._sessions)

    async def serve(self, socket: WebSocket) -> None:
        """One client, from its greeting until either side ends."""
        await socket.accept(subprotocol="realtime" if "realtime" in socket.scope.get("subprotocols", []) else None)
        if self.num_sessions >= self._limits.sessions:
            message = f"{self._limits.sessions} sessions run already; try again later"
            await _refuse(socket, TRY_AGAIN_LATER, "too_many_sessions", message)
            return
        asked = socket.query_params.get("model", self._model_name)
        if asked != self._model_name:
            message = f"this server serves {self._model_name!r}, not {asked[:80]!r}"
            await _refuse(socket, WRONG_MODEL, "model_not_found", message)
            return
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        outbox = Outbox(limit_bytes=self._limits.unsent_bytes, on_ready=lambda: _wake(loop, ready))
        session = self._new_session(outbox=outbox)
        self._sessions.add(session)
        try:
            await _carry(socket, session, outbox, ready, self._drain)
        finally:
            self._sessions.discard(session)
            session.close()


def _wake(loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(ready.set)


async def _refuse(socket: WebSocket, close_code: int, code: str, message: str) -> None:
    details = p.ErrorDetails(type="invalid_request_error", code=code, message=message)
    await socket.send_text(p.Error(error=details).model_dump_json())
    await socket.close(close_code, message[:120])


async def _carry(
    socket: WebSocket, session: RealtimeSession, outbox: Outbox, ready: asyncio.Event, drain: Drain
) -> None:
    """Move messages both ways until either side ends, or the server leaves and nothing is being answered."""

    async def receive() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await asyncio.to_thread(session.handle, message.get("text") or message.get("bytes") or "")

    async def send() -> None:
        while True:
            await ready.wait()
            ready.clear()
            for text in outbox.drain():
                await socket.send_text(text)
            if outbox.closed_because is not None:
                await socket.close(outbox.close_code, outbox.closed_because[:120])
                return

    async def leave() -> None:
        await drain.begun()
        while session.is_answering and not drain.is_over:
            await asyncio.sleep(0.02)
        outbox.put(p.Error(error=p.ErrorDetails(type="server_error", code="server_draining", message=REASON)))
        outbox.close(REASON, code=SERVICE_RESTART)
        await asyncio.Event().wait()  # `send` ends the socket, after what is still to be sent.

    tasks = {asyncio.create_task(part()) for part in (receive, send, leave)}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        # A client that goes away in the middle of a message is ordinary; anything else is worth a line.
        if error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError | OSError):
            LOGGER.error("a session's socket failed", exc_info=error)
