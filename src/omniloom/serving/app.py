"""The web application around one model: the page, the realtime WebSocket, and the guards in front of both.

Thin on purpose: what the page shows is in `page`, what a socket carries in `socket`, who may ask for how much in
`guard`, and all that can be right or wrong about the protocol in `realtime`, where it is tested without a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from omniloom.generation import Omni
from omniloom.serving.guard.drain import Drain
from omniloom.serving.guard.keys import KeyRing
from omniloom.serving.guard.stack import add_guards
from omniloom.serving.guard.visit import count_usage, current_visit
from omniloom.serving.http import add_error_handlers, describe, http_routes
from omniloom.serving.live import live_sessions
from omniloom.serving.page import STATIC, page_routes
from omniloom.serving.realtime import Limits, RealtimeSession
from omniloom.serving.realtime.outbox import EventSink
from omniloom.serving.socket import SessionSockets
from omniloom.serving.telemetry.meter import MeteredSink
from omniloom.serving.telemetry.metrics import Metrics
from omniloom.serving.telemetry.status import status_routes


def create_app(
    omni: Omni,
    *,
    model_name: str,
    limits: Limits = Limits(),
    is_local: bool = True,
    names: frozenset[str] = frozenset(),
    turns_remembered: int | None = None,
    reads_turn_end: bool | None = None,
    keys: KeyRing | None = None,
    drain: Drain | None = None,
    metrics: Metrics | None = None,
    new_session: Callable[..., RealtimeSession] = RealtimeSession,
) -> FastAPI:
    """An application that serves one model; `is_local` accepts only this machine's own names, and `names`.

    `turns_remembered` is how many earlier turns a session keeps; None keeps all that fit the model's context. With
    `reads_turn_end` the model says itself when speech has ended, which None leaves to what it can. With `keys`, clients
    need one. Whoever runs the application begins `drain` before stopping it.
    """
    drain, metrics = drain or Drain(), metrics or Metrics()
    omni.on_usage(count_usage)

    def metered_session(*, outbox: EventSink, **options: Any) -> RealtimeSession:
        visit = current_visit()
        return new_session(
            omni,
            outbox=MeteredSink(outbox, visit),
            allowance=visit.allowance,
            model_name=model_name,
            limits=limits,
            turns_remembered=turns_remembered,
            reads_turn_end=reads_turn_end,
            **options,
        )

    live = live_sessions(omni, metered_session, model_name=model_name, limits=limits, reads_turn_end=reads_turn_end)
    sockets = SessionSockets(metered_session, live, model_name=model_name, limits=limits, drain=drain)
    metrics.watch("sessions", "Sessions that are open.", lambda: sockets.num_sessions)
    metrics.watch_engine(omni.stats)
    metrics.watch("running", "Requests and sockets that have not ended.", lambda: drain.num_running)

    def health() -> dict[str, object]:
        return {"model": model_name, "sessions": sockets.num_sessions, "turns_remembered": turns_remembered}

    app = FastAPI(title="omniloom", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    describe(app)
    add_error_handlers(app)
    add_guards(app, limits=limits, is_local=is_local, names=names, keys=keys, drain=drain, metrics=metrics)
    app.include_router(status_routes(health=health, drain=drain, metrics=metrics, needs_key=keys is not None))
    app.include_router(page_routes(scores=omni.scores, reads_turn_end=omni.reads_turn_end))
    app.include_router(http_routes(omni, model_name=model_name, limits=limits))
    app.add_api_websocket_route("/v1/realtime", sockets.serve)
    app.add_api_websocket_route("/v1/live/sessions", sockets.serve_live)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
