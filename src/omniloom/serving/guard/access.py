"""Who is let in: with keys, every route but the page's own files and the probes asks for one.

A key comes as `Authorization: Bearer KEY`; a browser, which cannot set that on a WebSocket, sends the subprotocol
`openai-insecure-api-key.KEY` beside `realtime`, as with OpenAI. A key in the address is refused even where it is right:
addresses end up in logs and histories.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from omniloom.serving.guard.keys import PREFIX, KeyRing
from omniloom.serving.guard.refusal import Refusal
from omniloom.serving.guard.visit import visit_of

SUBPROTOCOL = "openai-insecure-api-key."

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/favicon.ico", "/world.json"})
"""What anybody may see: the page, its words, and whether the server is well; `/health` then leaves out the rest."""
OPEN_FOLDER = "/static/"

NO_KEY = Refusal(
    status=401,
    code="missing_api_key",
    message="this server asks for an API key; send the header 'Authorization: Bearer KEY', or from a browser the "
    f"WebSocket subprotocol '{SUBPROTOCOL}KEY'",
    headers=(("www-authenticate", 'Bearer realm="omniloom"'),),
)
WRONG_KEY = Refusal(
    status=401,
    code="invalid_api_key",
    message="this API key is not known here, or was revoked; ask whoever runs the server for one",
    headers=(("www-authenticate", 'Bearer realm="omniloom", error="invalid_token"'),),
)
KEY_IN_ADDRESS = Refusal(
    status=400,
    code="api_key_in_address",
    message="an API key stands in the address, where logs and histories keep it; send it as 'Authorization: Bearer "
    "KEY', and revoke this one",
)


class Access:
    """Middleware that names the client, and refuses it where keys are asked for and it has none."""

    def __init__(self, app: ASGIApp, *, keys: KeyRing | None) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._admit(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.send(scope, receive, send)

    def _admit(self, scope: Scope) -> Refusal | None:
        visit = visit_of(scope)
        visit.client = f"address:{(scope.get('client') or ('unknown',))[0]}"
        if self._keys is None:
            return None
        if any(value.startswith(f"{PREFIX}_") for _, value in parse_qsl(scope["query_string"].decode("latin-1"))):
            return KEY_IN_ADDRESS
        key = given_key(scope)
        owner = self._keys.owner_of(key) if key is not None else None
        if owner is not None:
            visit.client, visit.has_key = f"key:{owner.id}", True
            visit.is_welcome = partial(self._keys.holds, owner)
            return None
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDER):
            visit.has_key = False
            return None
        return NO_KEY if key is None else WRONG_KEY


def given_key(scope: Scope) -> str | None:
    """The key that a request brings; None where it brings none."""
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    for name in scope.get("subprotocols", ()):
        if name.startswith(SUBPROTOCOL):
            return str(name[len(SUBPROTOCOL) :])
    return None
