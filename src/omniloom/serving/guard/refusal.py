"""A request turned away before it reaches the application, told in OpenAI's shape of an error.

A WebSocket is refused with a status of HTTP instead of being opened and closed: official clients then raise the same
error as for a request, and nothing of a session is made. Servers without that extension close it with 1008.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

POLICY_VIOLATION = 1008


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a request is turned away."""

    status: int
    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or the handshake of a WebSocket with this."""
        kind = "http.response"
        if scope["type"] == "websocket":
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": self.message[:120]})
                return
            kind = "websocket.http.response"
        body = self.body()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *((name.encode(), value.encode()) for name, value in self.headers),
        ]
        await send({"type": f"{kind}.start", "status": self.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})
