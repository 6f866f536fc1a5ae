"""Which pages may talk to a server: those it served itself, and to a local one those of this machine.

Any web page that a user has open can reach 127.0.0.1, so a request is refused where its Origin is another site's, or
where its Host is not a name of this machine (another site's name pointed at 127.0.0.1). Pages of other servers on this
machine may use it, and so may programs, which send no Origin. A server with names of its own answers to those too, and
one that others reach answers to nothing else once it has some.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from omniloom.serving.guard.refusal import Refusal

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(address: str) -> str:
    """The lower-case name in "name:port" or in a URL; empty where there is none."""
    try:
        return (urlsplit(address if "//" in address else f"//{address}").hostname or "").lower()
    except ValueError:
        return ""


class SameOrigin:
    """Middleware that refuses foreign origins with 403, and names that are not its own.

    `names` are those it has beside this machine's; without any, one that is not `is_local` answers to every name.
    """

    def __init__(self, app: ASGIApp, *, is_local: bool, names: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._is_local = is_local
        self._names = LOOPBACK_NAMES | {name.lower() for name in names} if is_local or names else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await Refusal(status=403, code="forbidden_origin", message=refusal).send(scope, receive, send)

    def _refusal(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._names is not None and host_name(host) not in self._names:
            names = "localhost" if self._names == LOOPBACK_NAMES else "the names given by --name"
            return f"this server answers only to {names}"
        if origin is None:
            return None
        is_ours = origin.split("://")[-1] == host
        is_loopback = self._is_local and host_name(origin) in LOOPBACK_NAMES
        return None if is_ours or is_loopback else "this origin may not use the server"
