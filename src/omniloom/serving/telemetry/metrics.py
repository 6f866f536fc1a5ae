"""What the server tells Prometheus: requests, sessions, answers, tokens, first audio, queues and memory.

Each application has a registry of its own. Where several workers serve one port, prometheus-client keeps their numbers
in files of one folder (PROMETHEUS_MULTIPROC_DIR, which the supervisor sets before they start), and whichever worker is
asked tells all of them, by the label `worker`. Labels come from fixed sets, never from what clients send, so that
nobody can grow them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import multiprocess
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniloom.generation.engine import EngineStats
from omniloom.serving.guard.visit import visit_of

FIRST_AUDIO_S = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.32, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
REQUEST_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

ENGINE = {
    "num_replies": "Replies that are being made.",
    "num_prompts": "Prompts, and pieces of sound, that are being read.",
    "num_positions_waiting": "Positions that wait to be read.",
    "num_readers_waiting": "Conversations that wait for a step.",
    "num_steps": "Steps taken since the start.",
    "num_positions": "Positions read and written since the start.",
    "num_tokens": "Tokens picked since the start.",
    "cache_bytes": "Memory of what conversations have read and said.",
    "cache_budget_bytes": "The most that this memory may be.",
}

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST


class Metrics:
    """The numbers of one worker, and the text of all workers' together."""

    def __init__(self, *, worker: str = "0") -> None:
        self._registry = prometheus.CollectorRegistry()
        self._worker = worker
        self._gauges: list[Callable[[], None]] = []
        self._requests = self._counter("requests", "Requests by route and status.", "route", "method", "status")
        self._request_s = self._histogram("request_seconds", "From a request to the end of its answer.", REQUEST_S)
        self._sockets = self._counter("sessions_opened", "Sessions that were opened, by route.", "route")
        self._responses = self._counter("responses", "Answers of sessions, by how they ended.", "status")
        self._tokens = self._counter("tokens", "Tokens read (input, cached_input) and written, by kind.", "kind")
        self._first_audio_s = self._histogram(
            "first_audio_seconds", "From the end of a turn, as the server heard it, to the first audio.", FIRST_AUDIO_S
        )
        self._refused = self._counter("refused", "Requests and sockets that were turned away, by status.", "status")
        self.watch("memory_bytes", "Memory that the process holds.", resident_bytes)

    def add_tokens(self, kinds: Mapping[str, int]) -> None:
        for kind, number in kinds.items():
            if number > 0:
                self._tokens.labels(worker=self._worker, kind=kind).inc(number)

    def add_request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        name = method if method in METHODS else "other"
        self._requests.labels(worker=self._worker, route=route, method=name, status=str(status)).inc()
        self._request_s.labels(worker=self._worker).observe(seconds)
        if status in (401, 403, 408, 413, 429, 431, 503):
            self._refused.labels(worker=self._worker, status=str(status)).inc()

    def add_session(self, route: str) -> None:
        self._sockets.labels(worker=self._worker, route=route).inc()

    def add_response(self, status: str) -> None:
        """An answer ended; a cancelled one is a cancel."""
        self._responses.labels(worker=self._worker, status=status).inc()

    def add_first_audio(self, seconds: float) -> None:
        self._first_audio_s.labels(worker=self._worker).observe(seconds)

    def watch(self, name: str, what: str, now: Callable[[], float]) -> None:
        """A number that is asked for anew each time."""
        gauge = prometheus.Gauge(
            f"omniloom_{name}", what, ["worker"], registry=self._registry, multiprocess_mode="livesum"
        ).labels(worker=self._worker)
        self._gauges.append(lambda: gauge.set(now()))

    def watch_engine(self, stats: Callable[[], EngineStats]) -> None:
        """What the engine under all endpoints has in hand and has done."""

        def number(name: str) -> float:
            return float(getattr(stats(), name))

        for name, what in ENGINE.items():
            self.watch(f"engine_{name.removeprefix('num_')}", what, partial(number, name))

    def refresh(self) -> None:
        """Ask for every watched number; workers do it each second, for the one among them that is asked."""
        for refresh in self._gauges:
            refresh()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        self.refresh()
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return prometheus.generate_latest(registry)

    def _counter(self, name: str, what: str, *labels: str) -> Any:
        return prometheus.Counter(f"omniloom_{name}", what, ["worker", *labels], registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Any:
        return prometheus.Histogram(f"omniloom_{name}", what, ["worker"], buckets=buckets, registry=self._registry)


class Measured:
    """Middleware that counts requests by the route that served them."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        visit_of(scope).metrics = self._metrics
        start, status = time.perf_counter(), 500

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
                self._metrics.add_session(route_of(scope))
            elif message["type"] == "websocket.close" and status == 500:
                status = 403  # Closed before it was opened.
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            seconds = time.perf_counter() - start
            if status != 101:
                method = scope.get("method", "GET")
                self._metrics.add_request(route=route_of(scope), method=method, status=status, seconds=seconds)


def route_of(scope: Scope) -> str:
    """The pattern that served it, such as `/v1/models/{model}`; never what the client wrote."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return str(path) if path else "none"


def resident_bytes() -> float:
    """What the process holds in memory; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    return float(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
