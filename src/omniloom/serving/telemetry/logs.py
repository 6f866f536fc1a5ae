"""What the server writes down: one line a request, and never what was said, shown or used as a key.

The line names the route's pattern and the client's name (a key's ID, or an address), not the address that was asked
for, whose query may hold anything. An error's own words can quote what a user sent, so a log tells its type and where
it came from, and its words only at the level `debug`. uvicorn's own access log was rejected: it writes whole addresses.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from types import TracebackType
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniloom.serving.guard.visit import visit_of
from omniloom.serving.telemetry.metrics import route_of

ACCESS = logging.getLogger("omniloom.access")
LEVELS = ("debug", "info", "warning", "error")

LogFormat = Literal["text", "json"]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class PrivateFormatter(logging.Formatter):
    """Lines of text or of JSON, with errors told by type and place alone unless `tells_all`."""

    def __init__(self, *, log_format: LogFormat, tells_all: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._is_json = log_format == "json"
        self._tells_all = tells_all

    def format(self, record: logging.LogRecord) -> str:
        if not self._is_json:
            return super().format(record)
        entry = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)

    def formatException(self, ei: ExcInfo) -> str:
        if self._tells_all or ei[0] is None:
            return super().formatException(ei)
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
            lines.append(f"{type(error).__module__}.{type(error).__qualname__} (its words: --log-level debug)")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)


def write_logs(*, level: str, log_format: LogFormat) -> None:
    """Send the logs of the server to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrivateFormatter(log_format=log_format, tells_all=level == "debug"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("omniloom").setLevel(level.upper())
    # Below a warning uvicorn writes whole addresses, queries included.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # It warns of every form that is torn, which is the client's to know, who is told.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


class AccessLog:
    """Middleware that writes a line when a request has been answered, and when a socket opens and closes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not ACCESS.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        start, status, num_bytes = time.perf_counter(), 500, 0

        async def send_watched(message: Message) -> None:
            nonlocal status, num_bytes
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
                self._write(scope, status=status, what="opened")
            num_bytes += len(message.get("body", b"")) + len(message.get("text") or message.get("bytes") or "")
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            took_ms = round(1000 * (time.perf_counter() - start), 1)
            what = "closed" if status == 101 else "answered"
            self._write(scope, status=status, what=what, took_ms=took_ms, num_bytes=num_bytes)

    def _write(self, scope: Scope, **fields: object) -> None:
        method = scope.get("method", "SOCKET")
        found = {"client": visit_of(scope).client, "method": method, "route": route_of(scope), **fields}
        ACCESS.info(" ".join(f"{name}={value}" for name, value in found.items()), extra={"fields": found})
