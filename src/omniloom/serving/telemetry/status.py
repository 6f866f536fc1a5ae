"""Whether the server is well: `/health` for people and the page, `/ready` for balancers, `/metrics` for Prometheus.

Anybody may ask whether the server is alive and ready, for probes carry no key. Where keys are asked for, how many
sessions run, which model it is and every metric are for those who have one.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from omniloom.serving.guard.drain import Drain
from omniloom.serving.guard.visit import visit_of
from omniloom.serving.telemetry.metrics import CONTENT_TYPE, Metrics


def status_routes(
    *, health: Callable[[], dict[str, object]], drain: Drain, metrics: Metrics, needs_key: bool
) -> APIRouter:
    """The three routes; `health` is asked anew each time."""
    router = APIRouter(tags=["status"])

    @router.get("/health", summary="Whether the server is alive")
    async def health_now(request: Request) -> dict[str, object]:
        found: dict[str, object] = {"status": "draining" if drain.is_begun else "ok", "needs_key": needs_key}
        return {**found, **health()} if visit_of(request.scope).has_key else found

    @router.get("/ready", summary="Whether new requests are taken; 503 where not")
    async def ready() -> JSONResponse:
        if drain.is_begun:
            return JSONResponse({"status": "draining"}, status_code=503, headers={"retry-after": "5"})
        return JSONResponse({"status": "ready"})

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
    def metrics_now() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return router
