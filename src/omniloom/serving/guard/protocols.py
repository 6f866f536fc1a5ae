"""uvicorn's connections with bounds that uvicorn leaves open, each of which a single client could use to hold a server.

| Left open | Bound here |
|---|---|
| half a request that never ends (slowloris), also the second on one connection | `head_s`, then 408 |
| half a handshake of TLS | `head_s` (`DrainingServer.startup`) |
| connections without number | `connections`, `connections_per_address`, then 503 |
| a client that reads nothing of what is sent to it | `stalled_s`, then it is cut off |
| pings that are answered but whose answers nobody reads | cut off at `MAX_UNREAD_BYTES` |
| one message in endless empty fragments | cut off at `MAX_FRAGMENTS` |

h11 is used though httptools is faster: it bounds the size of a head, and requests cost nothing beside the model.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from omniloom.serving.guard.refusal import Refusal
from omniloom.serving.realtime.limits import Limits

MAX_FRAGMENTS = 4_096
"""Clients send a message whole or in pieces of many kilobytes; 8 MiB in pieces of 2 KiB still pass."""

MAX_UNREAD_BYTES = 1024 * 1024
"""What may wait in the server for a client beyond the flow control of whole messages: pongs."""

TOO_BIG = 1009

BAD_REQUEST = Refusal(status=400, code="invalid_http", message="this is no request of HTTP/1.1")
TOO_SLOW = Refusal(status=408, code="request_timeout", message="the request's head did not come in time")
TOO_MANY = Refusal(
    status=503,
    type="server_error",
    code="too_many_connections",
    message="too many connections are open; close some, or try again later",
    headers=(("retry-after", "5"),),
)


class Gate:
    """Which connections are open, from which addresses."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._by_transport: dict[asyncio.BaseTransport, str] = {}
        self._by_address: Counter[str] = Counter()

    @property
    def num_connections(self) -> int:
        return len(self._by_transport)

    def enter(self, transport: asyncio.BaseTransport, address: str) -> bool:
        """Count a new connection; False where there are too many already."""
        is_room = (
            len(self._by_transport) < self.limits.connections
            and self._by_address[address] < self.limits.connections_per_address
        )
        if is_room:
            self._by_transport[transport] = address
            self._by_address[address] += 1
        elif not self._by_address[address]:
            del self._by_address[address]
        return is_room

    def leave(self, transport: asyncio.BaseTransport) -> None:
        address = self._by_transport.pop(transport, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


class _Stall:
    """A timer that cuts a connection off when its client has read nothing for too long."""

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        # Closing would wait for what is unsent; nobody reads that, so the connection is dropped.
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedHttp(H11Protocol):
    """HTTP/1.1 whose connections are counted and whose heads must come in time."""

    gate: Gate
    _head_timer: asyncio.TimerHandle | None = None
    _is_refused = False
    _stall: _Stall

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._stall = _Stall(transport, self.gate.limits.stalled_s)
        if self.gate.enter(transport, self.client[0] if self.client else ""):
            self._await_head()
        else:
            self._refuse(TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self.transport)
        self._stall.end()
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._head_timer is None and self.conn.their_state is h11.IDLE:
            self._await_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._end_head()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        self._refuse(BAD_REQUEST)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall.end()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.gate.limits.head_s, self._refuse, TOO_SLOW)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Refusal) -> None:
        """Answer on a connection that has no request yet, and close it."""
        self._is_refused = True
        self._end_head()
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = refusal.body()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
                *refusal.headers,
            ]
            for event in (h11.Response(status_code=refusal.status, headers=headers), h11.Data(data=body)):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class BoundedSocket(WebSocketsSansIOProtocol):
    """WebSockets that are counted and whose clients must read."""

    gate: Gate
    _stall: _Stall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._stall = _Stall(self.transport, self.gate.limits.stalled_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self.transport)
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall.end()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(TOO_BIG, f"over {MAX_FRAGMENTS:,} fragments in one message")
            self.handle_parser_exception()
            self.frames = []
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()


def bounded_protocols(limits: Limits) -> tuple[type[BoundedHttp], type[BoundedSocket], Gate]:
    """The protocols for uvicorn's `http` and `ws`, and the gate that both count at."""
    gate = Gate(limits)
    # uvicorn makes protocols by class and hands nothing of ours through, so each server has classes of its own.
    http = type("Http", (BoundedHttp,), {"gate": gate})
    sockets = type("Sockets", (BoundedSocket,), {"gate": gate})
    return http, sockets, gate
