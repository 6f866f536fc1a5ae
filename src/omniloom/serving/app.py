"""The web application around one model: the page, and the realtime WebSocket.

Thin on purpose: what the page shows is in `page`, what a socket carries in `socket`, and everything that can be right
or wrong about the protocol in `realtime`, where it is tested without a socket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from omniloom.generation import Omni
from omniloom.serving.origin import SameOrigin
from omniloom.serving.page import STATIC, page_routes
from omniloom.serving.realtime import Limits, RealtimeSession
from omniloom.serving.socket import SessionSockets

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def create_app(
    omni: Omni,
    *,
    model_name: str,
    limits: Limits = Limits(),
    is_local: bool = True,
    turns_remembered: int | None = None,
    reads_turn_end: bool | None = None,
    new_session: Callable[..., RealtimeSession] = RealtimeSession,
) -> FastAPI:
    """An application that serves one model; `is_local` accepts only this machine's own names.

    `turns_remembered` is how many earlier turns a session keeps; None keeps all that fit the model's context. With
    `reads_turn_end` the model says itself when speech has ended, which None leaves to what it can.
    """
    session = partial(
        new_session,
        omni,
        model_name=model_name,
        limits=limits,
        turns_remembered=turns_remembered,
        reads_turn_end=reads_turn_end,
    )
    sockets = SessionSockets(session, model_name=model_name, limits=limits)

    def health() -> dict[str, object]:
        return {
            "status": "ok",
            "model": model_name,
            "sessions": sockets.num_sessions,
            "turns_remembered": turns_remembered,
        }

    app = FastAPI(title="omniloom", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SameOrigin, is_local=is_local)
    app.middleware("http")(_with_headers)
    app.include_router(page_routes(health=health))
    app.add_api_websocket_route("/v1/realtime", sockets.serve)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-cache"
    return response
