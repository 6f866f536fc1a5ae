"""WebSockets around sessions: which dialect a client speaks, its messages in, its session's events out, and the end.

A session works for milliseconds on a message (it looks for speech in each piece of sound), too long for the event
loop. A thread for each message was rejected: the way there and back costs as much as following it does
(`benchmarks/serving/bench_inbound.py`). So one thread takes the short messages of all sessions, a few of each at a
time, and only long ones, settings, and those with a picture go to the pool. Until a client's messages are followed no
more are read, and TCP holds it back: a flood fills its own socket and nothing here.

What a slow reader has not read stays in its outbox, which is bounded; then it is told, and cut off where it still does
not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from fastapi import WebSocket, WebSocketDisconnect

from omniloom.serving.beta import BetaSession
from omniloom.serving.guard.access import WRONG_KEY
from omniloom.serving.guard.drain import REASON, SERVICE_RESTART, Drain
from omniloom.serving.guard.keys import CHECK_EVERY_S
from omniloom.serving.guard.rates import network_of
from omniloom.serving.guard.visit import visit_of
from omniloom.serving.live import LiveSession, PacedOutbox
from omniloom.serving.live import protocol as w
from omniloom.serving.realtime import Limits, Outbox, RealtimeSession
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.outbox import TOO_SLOW

LOGGER = logging.getLogger(__name__)

NORMAL, TRY_AGAIN_LATER, UNAUTHORIZED, WRONG_MODEL = 1000, 1013, 3000, 4004
BETA_HEADER, BETA_VERSION = "openai-beta", "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
"""What a browser sends in place of the header, which it cannot set."""
SHORT_CHARS = 32_768
"""Longest message for the shared thread: half a second of sound at 24 kHz."""
SLOW_WORDS = ("input_image", "session.update", '"tools"', "\\u00")
"""Not for the shared thread: two kilobytes of picture may take a second to open, and settings with the schemas of tools
tens of milliseconds to read; an escape may spell their names."""
MAX_AHEAD = 4
"""Messages of one socket that may wait for the shared thread, so that no client holds up the others'."""

Job = Callable[[], None]
ErrorEvent = type[p.Error] | type[w.Error]
"""How a dialect tells errors."""


class Session(Protocol):
    """What a socket needs of a session, whatever it speaks."""

    @property
    def is_answering(self) -> bool: ...

    def handle(self, message: str | bytes) -> None: ...

    def close(self) -> None: ...


class SessionSockets:
    """Every socket that is open, each with the session that `new_session` or `new_live` made around its outbox."""

    def __init__(
        self,
        new_session: Callable[..., RealtimeSession],
        new_live: Callable[..., LiveSession],
        *,
        model_name: str,
        limits: Limits,
        drain: Drain,
    ) -> None:
        self._new_session = new_session
        self._new_beta = partial(BetaSession, new_session, limits=limits)
        self._new_live = new_live
        self._model_name = model_name
        self._limits = limits
        self._drain = drain
        self._sessions: set[Session] = set()
        self._by_client: Counter[str] = Counter()
        self._reader = Reader()

    @property
    def num_sessions(self) -> int:
        return len(self._sessions)

    async def serve(self, socket: WebSocket) -> None:
        """One client of the realtime protocol, GA or beta, from its greeting until either side ends."""
        await socket.accept(subprotocol=_accepted(socket))
        asked = socket.query_params.get("model", self._model_name)
        if asked != self._model_name:
            message = f"this server serves {self._model_name!r}, not {asked[:80]!r}"
            await self._refuse(socket, p.Error, WRONG_MODEL, "model_not_found", message)
            return
        new_session = self._new_beta if _is_beta(socket) else self._new_session
        await self._serve(socket, new_session, Outbox, p.Error)

    async def serve_live(self, socket: WebSocket) -> None:
        """One client of the Live protocol, from its greeting until either side ends."""
        await socket.accept(subprotocol=_accepted(socket))
        await self._serve(socket, self._new_live, PacedOutbox, w.Error)

    async def _serve(
        self, socket: WebSocket, new_session: Callable[..., Session], new_outbox: type[Outbox], words: ErrorEvent
    ) -> None:
        client = network_of(visit_of(socket.scope).client)
        if (message := self._fullness(client)) is not None:
            await self._refuse(socket, words, TRY_AGAIN_LATER, "too_many_sessions", message)
            return
        carrier = _Carrier(socket, words=words, reader=self._reader, limits=self._limits, drain=self._drain)
        outbox = new_outbox(limit_bytes=self._limits.unsent_bytes, on_ready=carrier.wake)
        session = new_session(outbox=outbox)
        self._sessions.add(session)
        self._by_client[client] += 1
        try:
            with self._reader.running():
                await carrier.run(session, outbox)
        finally:
            self._sessions.discard(session)
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
            session.close()

    def _fullness(self, client: str) -> str | None:
        """Why a client may not have one more session."""
        if self.num_sessions >= self._limits.sessions:
            return f"{self._limits.sessions} sessions run already; try again later"
        if self._by_client[client] >= self._limits.sessions_per_client:
            return f"{self._limits.sessions_per_client} sessions of this client run already; close one first"
        return None

    async def _refuse(self, socket: WebSocket, words: ErrorEvent, close_code: int, code: str, message: str) -> None:
        await socket.send_text(_error(words, code, message).model_dump_json())
        await socket.close(close_code, message[:120])


def _error(words: ErrorEvent, code: str, message: str, *, type: str = "invalid_request_error") -> p.Wire:
    """An error that no event caused, in a dialect's words."""
    return words.model_validate({"error": {"type": type, "code": code, "message": message}})


class Reader:
    """A thread that follows the short messages of all sockets in the order they came; it runs while one is open."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._num_sockets = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """For as long as a socket is open; in the thread of the event loop."""
        self._num_sockets += 1
        if self._num_sockets == 1:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=self._run, args=(self._jobs,), name="omniloom-reader", daemon=True).start()
        try:
            yield
        finally:
            self._num_sockets -= 1
            if self._num_sockets == 0:
                self._jobs.put(None)

    def submit(self, job: Job) -> None:
        """Have the thread do something."""
        self._jobs.put(job)

    def _run(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while (job := jobs.get()) is not None:
            try:
                job()
            except Exception:  # Sessions report what is wrong with an event; a bug must not stop all the others.
                LOGGER.exception("a message could not be followed")
            del job  # Or its message would be held until the next one comes.


class Backlog:
    """The messages of one socket that a reader has not followed yet."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._is_awaited = False
        self._num_given = self._num_followed = 0

    def add(self, job: Job) -> None:
        """Have the reader do one more thing; in the thread of the event loop."""
        self._num_given += 1
        self._reader.submit(partial(self._follow, job))

    async def below(self, num: int) -> None:
        """Wait until fewer than so many wait; waking the loop is what costs most, so it is woken only where it does."""
        self._is_awaited = True
        while self._num_given - self._num_followed >= num:
            self._room.clear()
            if self._num_given - self._num_followed >= num:
                await self._room.wait()
        self._is_awaited = False

    def _follow(self, job: Job) -> None:
        try:
            job()
        finally:
            self._num_followed += 1
            if self._is_awaited:
                with contextlib.suppress(RuntimeError):  # The loop has ended, and the socket with it.
                    self._loop.call_soon_threadsafe(self._room.set)


class _Carrier:
    """Moves one socket's messages both ways."""

    _session: Session
    _outbox: Outbox

    def __init__(self, socket: WebSocket, *, words: ErrorEvent, reader: Reader, limits: Limits, drain: Drain) -> None:
        self._socket = socket
        self._words = words
        self._limits = limits
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._ready, self._closed = asyncio.Event(), asyncio.Event()
        self._backlog = Backlog(reader)

    def wake(self) -> None:
        """There is something to send, or to end for; from any thread."""
        with contextlib.suppress(RuntimeError):  # The loop has ended, and the socket with it.
            self._loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        self._ready.set()
        if self._outbox.closed_because is not None:
            self._closed.set()

    async def run(self, session: Session, outbox: Outbox) -> None:
        """Until either side ends, the session's time is over, or the server leaves and nothing is being answered."""
        self._session, self._outbox = session, outbox
        parts = (self._receive, self._send, self._expire, self._leave, self._turn_out, self._cut_off)
        tasks = {asyncio.create_task(part()) for part in parts}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            # A client that goes away in the middle of a message is ordinary; anything else is worth a line.
            if error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError | OSError):
                LOGGER.error("a session's socket failed", exc_info=error)

    async def _receive(self) -> None:
        while await self._follow_next():
            pass

    async def _follow_next(self) -> bool:
        """Whether there was one; what it was ends with this call, so that a socket at rest holds no message."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return False
        text = message.get("text") or message.get("bytes") or ""
        if _is_quick(text):
            self._backlog.add(partial(self._context.run, self._session.handle, text))
            await self._backlog.below(MAX_AHEAD)
        else:
            await self._backlog.below(1)  # Those before it come first.
            await asyncio.to_thread(self._session.handle, text)
        return True

    async def _send(self) -> None:
        while True:
            self._ready.clear()
            while (text := self._outbox.pop()) is not None:
                await self._socket.send_text(text)
            if self._outbox.closed_because is not None:
                await self._say_goodbye()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), self._outbox.due_in_s())

    async def _say_goodbye(self) -> None:
        reason, code = self._outbox.closed_because or "", self._outbox.close_code
        if code == TOO_SLOW:
            await self._socket.send_text(_error(self._words, "session_cut_off", reason).model_dump_json())
        await self._socket.close(code, reason[:120])

    async def _expire(self) -> None:
        await asyncio.sleep(self._limits.session_s)
        if isinstance(self._session, LiveSession):
            self._session.expire()
        else:
            reason = f"a session lasts {self._limits.session_s:.0f} s at most; connect again"
            self._outbox.put(_error(self._words, "session_expired", reason))
            self._outbox.close(reason, code=NORMAL)
        await asyncio.Event().wait()  # `_send` ends the socket, after what is still to be sent.

    async def _leave(self) -> None:
        await self._drain.begun()
        while self._session.is_answering and not self._drain.is_over:
            await asyncio.sleep(0.02)
        self._outbox.put(_error(self._words, "server_draining", REASON, type="server_error"))
        self._outbox.close(REASON, code=SERVICE_RESTART)
        await asyncio.Event().wait()  # As above.

    async def _turn_out(self) -> None:
        """End a session whose key was revoked, in the middle of an answer too."""
        while visit_of(self._socket.scope).is_welcome():
            await asyncio.sleep(CHECK_EVERY_S)
        self._outbox.put(_error(self._words, WRONG_KEY.code, WRONG_KEY.message))
        self._outbox.close(WRONG_KEY.message, code=UNAUTHORIZED)
        await asyncio.Event().wait()  # As above.

    async def _cut_off(self) -> None:
        """End a socket whose client does not even read why it is closed."""
        await self._closed.wait()
        await asyncio.sleep(self._limits.cut_off_s)


def _subprotocols(socket: WebSocket) -> list[str]:
    return list(socket.scope.get("subprotocols", ()))


def _accepted(socket: WebSocket) -> str | None:
    """A browser that offers subprotocols, one of them its key, closes the socket unless one is taken."""
    return "realtime" if "realtime" in _subprotocols(socket) else None


def _is_quick(message: str | bytes) -> bool:
    """Whether following it takes milliseconds: short, no picture or tools in it, and nothing that could hide them."""
    slow = SLOW_WORDS if isinstance(message, str) else tuple(word.encode() for word in SLOW_WORDS)
    return len(message) <= SHORT_CHARS and not any(word in message for word in slow)  # type: ignore[operator]


def _is_beta(socket: WebSocket) -> bool:
    asked = socket.headers.get(BETA_HEADER, "").replace(" ", "").split(",")
    return BETA_VERSION in asked or BETA_SUBPROTOCOL in _subprotocols(socket)
