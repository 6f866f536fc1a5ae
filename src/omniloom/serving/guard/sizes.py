"""Bounds on a request before anybody reads it: the size of its head and body, and the time its body takes to come.

A body is counted while it streams in, so that one without a length, or with a wrong one, is cut off all the same.
What comes before an application exists (half a head, too many connections) is bounded in `protocols`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omniloom.serving.guard.refusal import Refusal
from omniloom.serving.realtime.limits import Limits


class _Refused(Exception):
    """Ends the reading of a body."""


class Sizes:
    """Middleware that refuses what is too large with 413 or 431, and what comes too slowly with 408."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._of_head(scope)
        if refusal is not None:
            if scope["type"] == "http":
                await self._throw_away(receive)
            await refusal.send(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._with_body(scope, receive, send)

    def _of_head(self, scope: Scope) -> Refusal | None:
        num_bytes = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        num_bytes += len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if num_bytes > self._limits.head_bytes:
            message = f"address and headers have {num_bytes:,} bytes, at most {self._limits.head_bytes:,} are taken"
            return Refusal(status=431, code="headers_too_large", message=message, headers=(("connection", "close"),))
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length and "transfer-encoding" in headers:
            # What is in front may go by the other one and take the rest of the body for a request.
            message = "a body has a content-length or a transfer-encoding, not both"
            return Refusal(status=400, code="invalid_http", message=message, headers=(("connection", "close"),))
        if length.isdigit() and int(length) > self._limits.body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Refusal:
        return Refusal(
            status=413,
            code="request_too_large",
            message=f"the body is longer than {self._limits.body_bytes:,} bytes; send less, or smaller files",
            headers=(("connection", "close"),),
        )

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        num_bytes = 0
        is_whole = has_started = False
        refusal: Refusal | None = None
        deadline = asyncio.get_running_loop().time() + self._limits.body_s

        async def receive_bounded() -> Message:
            nonlocal num_bytes, is_whole, refusal
            try:
                async with asyncio.timeout_at(None if is_whole else deadline):
                    message = await receive()
            except TimeoutError:
                refusal = self._too_slow()
                raise _Refused from None
            if message["type"] == "http.request":
                num_bytes += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)
                if num_bytes > self._limits.body_bytes:
                    refusal = self._too_large()
                    raise _Refused
            return message

        async def send_unless_refused(message: Message) -> None:
            # FastAPI answers 400 to whatever goes wrong with a body; ours says what it was.
            nonlocal has_started
            if refusal is None or has_started:
                has_started = True
                await send(message)

        try:
            await self._app(scope, receive_bounded, send_unless_refused)
        except _Refused:
            if has_started:
                raise
        if refusal is not None and not has_started:
            if refusal.status == 413 and not is_whole:
                await self._throw_away(receive)
            await refusal.send(scope, receive, send)

    async def _throw_away(self, receive: Receive) -> None:
        """Read what is still coming, as much again at most: a client hears the answer only once it has sent its own."""
        num_bytes = 0
        message: dict[str, Any] = {"more_body": True}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.body_s):
                while message.get("more_body") and num_bytes <= self._limits.body_bytes:
                    message = dict(await receive())
                    num_bytes += len(message.get("body", b""))

    def _too_slow(self) -> Refusal:
        return Refusal(
            status=408,
            code="request_timeout",
            message=f"the body did not come within {self._limits.body_s:g} s; send it again",
            headers=(("connection", "close"),),
        )
