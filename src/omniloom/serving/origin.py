"""Who may talk to a local server: the page it served itself, and programs on this machine.

Any web page that a user has open can reach 127.0.0.1, so a request is refused where its Origin is another site's, or
where its Host is not a name of this machine (another site's name pointed at 127.0.0.1). Pages of other servers on this
machine may use it, and so may programs, which send no Origin.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(address: str) -> str:
    """The lower-case name in "name:port" or in a URL; empty where there is none."""
    try:
        return (urlsplit(address if "//" in address else f"//{address}").hostname or "").lower()
    except ValueError:
        return ""


class SameOrigin:
    """Middleware that refuses foreign origins with 403; `is_local` also refuses hosts that are not this machine."""

    def __init__(self, app: ASGIApp, *, is_local: bool) -> None:
        self._app = app
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)

    def _refusal(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._is_local and host_name(host) not in LOOPBACK_NAMES:
            return "this server answers only to localhost"
        if origin is None:
            return None
        is_ours = origin.split("://")[-1] == host
        is_loopback = self._is_local and host_name(origin) in LOOPBACK_NAMES
        return None if is_ours or is_loopback else "this origin may not use the server"
