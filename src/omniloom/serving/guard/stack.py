"""The guards in their order: counted and logged first, refused as cheaply as can be, and the application last."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniloom.serving.guard.access import Access
from omniloom.serving.guard.drain import Drain, Draining
from omniloom.serving.guard.keys import KeyRing
from omniloom.serving.guard.origin import SameOrigin
from omniloom.serving.guard.rates import Allowances, RateLimits
from omniloom.serving.guard.sizes import Sizes
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.telemetry.logs import AccessLog
from omniloom.serving.telemetry.metrics import Measured, Metrics

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def add_guards(
    app: Starlette,
    *,
    limits: Limits,
    is_local: bool,
    names: frozenset[str],
    keys: KeyRing | None,
    drain: Drain,
    metrics: Metrics,
) -> None:
    """Put every guard in front of an application; the last one added is the first one asked."""
    allowances = Allowances(
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        num_clients=limits.clients_remembered,
    )
    app.add_middleware(RateLimits, allowances=allowances)
    app.add_middleware(Access, keys=keys)
    app.add_middleware(Draining, drain=drain)
    app.add_middleware(Sizes, limits=limits)
    app.add_middleware(SameOrigin, is_local=is_local, names=names)
    app.add_middleware(PageHeaders)
    app.add_middleware(AccessLog)
    app.add_middleware(Measured, metrics=metrics)


class PageHeaders:
    """Middleware that tells browsers what the page may load, and to ask again each time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cache-Control"] = "no-cache"
            await send(message)

        await self._app(scope, receive, send_with_headers)
