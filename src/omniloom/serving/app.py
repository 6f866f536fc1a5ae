"""The web application: the page, its files, sample pictures, health, and the realtime WebSocket.

Thin on purpose: a socket's messages go to `RealtimeSession.handle` in a thread, its outbox goes back. Everything that
can be right or wrong about the protocol lives in the session and is tested there without a socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from omniloom.core.randomness import generator
from omniloom.data.scenes import MAX_OBJECTS, POSITIONS, RGB, SHAPES, SIZES, parse_description, render
from omniloom.generation import Omni
from omniloom.serving import protocol as p
from omniloom.serving.limits import Limits
from omniloom.serving.origin import SameOrigin
from omniloom.serving.outbox import Outbox
from omniloom.serving.session import RealtimeSession
from omniloom.serving.worker import FairLock

LOGGER = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
TRY_AGAIN_LATER, TOO_SLOW, WRONG_MODEL = 1013, 1008, 4004


def create_app(
    omni: Omni,
    *,
    model_name: str,
    limits: Limits = Limits(),
    is_local: bool = True,
    turns_remembered: int | None = None,
    new_session: Callable[..., RealtimeSession] = RealtimeSession,
) -> FastAPI:
    """An application that serves one model; `is_local` accepts only this machine's own names.

    `turns_remembered` is how many earlier turns a session keeps; None keeps all that fit the model's context.
    """
    app = FastAPI(title="omniloom", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SameOrigin, is_local=is_local)
    model_lock = FairLock()
    sessions: set[RealtimeSession] = set()

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "model": model_name,
            "sessions": len(sessions),
            "turns_remembered": turns_remembered,
        }

    @app.get("/world.json")
    async def world() -> dict[str, Any]:
        return {
            "colours": {name: f"rgb({red} {green} {blue})" for name, (red, green, blue) in RGB.items()},
            "shapes": SHAPES,
            "sizes": SIZES,
            "positions": POSITIONS,
            "max_objects": MAX_OBJECTS,
        }

    @app.get("/scene.png")
    def scene(of: str, seed: int | None = None) -> Response:
        found = parse_description(of)
        if found is None:
            message = f"{of[:120]!r} describes no scene; write for example 'big red circle top left'"
            return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status_code=400)
        jitter = None if seed is None else generator("scene.png", seed)
        return Response(render(found, jitter=jitter).to_bytes("PNG"), media_type="image/png")

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        await socket.accept(subprotocol="realtime" if "realtime" in socket.scope.get("subprotocols", []) else None)
        if len(sessions) >= limits.sessions:
            message = f"{limits.sessions} sessions run already; try again later"
            await _refuse(socket, TRY_AGAIN_LATER, "too_many_sessions", message)
            return
        asked = socket.query_params.get("model", model_name)
        if asked != model_name:
            message = f"this server serves {model_name!r}, not {asked[:80]!r}"
            await _refuse(socket, WRONG_MODEL, "model_not_found", message)
            return
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        outbox = Outbox(limit_bytes=limits.unsent_bytes, on_ready=lambda: _wake(loop, ready))
        session = new_session(
            omni,
            outbox=outbox,
            model_name=model_name,
            limits=limits,
            turns_remembered=turns_remembered,
            model_lock=model_lock,
        )
        sessions.add(session)
        try:
            await _carry(socket, session, outbox, ready)
        finally:
            sessions.discard(session)
            session.close()

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _wake(loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(ready.set)


async def _refuse(socket: WebSocket, close_code: int, code: str, message: str) -> None:
    details = p.ErrorDetails(type="invalid_request_error", code=code, message=message)
    await socket.send_text(p.Error(error=details).model_dump_json())
    await socket.close(close_code, message[:120])


async def _carry(socket: WebSocket, session: RealtimeSession, outbox: Outbox, ready: asyncio.Event) -> None:
    """Move messages both ways until either side ends."""

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
                await socket.close(TOO_SLOW, outbox.closed_because[:120])
                return

    tasks = {asyncio.create_task(receive()), asyncio.create_task(send())}
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
