"""Model work of HTTP requests: threads beside the event loop, so many at once, and each ends when its client leaves.

A reply is a generator that must stay in one thread, and the event loop must never wait for it. So a job runs in a pool
and puts what it makes into a queue of the loop. Whoever leaves the asynchronous side, by a disconnect or an error,
cancels the job, and the model stops at its next token. A reply that nobody reads is held back by its own length: what
waits is never more than one reply, and beyond `MAX_UNREAD` pieces the job ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fastapi import Request

from omniloom.generation import Conversation, Event, Omni, Sampling, Turn
from omniloom.generation.rules import TextRules
from omniloom.serving.http.errors import CLIENT_GONE, RETRY_S, ApiError, as_api_error
from omniloom.stream.message import Message

T = TypeVar("T", covariant=True)
R = TypeVar("R")

MAX_UNREAD = 4_096
"""Pieces that may wait for a slow reader: more than any reply has."""


class Job(Protocol[T]):
    """Something to do in a thread, piece by piece; `cancel` comes from another one."""

    def run(self) -> Iterator[T]: ...

    def cancel(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A reply that is asked for."""

    turns: Sequence[Turn]
    want: frozenset[str]
    sampling: Sampling = Sampling()
    seed: int = 0
    max_tokens: int
    min_tokens: int = 0
    """Positions that must be left in the context; in fewer there is no reply of what is wanted."""
    rules: TextRules | None = None


class Once(Generic[R]):
    """A value that the first thread to ask for it makes, while the others wait; where it fails, all are told."""

    def __init__(self, make: Callable[[], R]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._made: _Piece[R] | _Failed | None = None

    def __call__(self) -> R:
        with self._guard:
            if self._made is None:
                try:
                    self._made = _Piece(self._make())
                except Exception as error:
                    self._made = _Failed(error)
        if isinstance(self._made, _Failed):
            raise self._made.error
        return self._made.value


class ReplyJob:
    """The events of one reply. `read` makes of the request what is asked, in the job's thread: media take time.

    The prompt is fed with the reply's opening, and none of it counts as read before.
    """

    def __init__(self, omni: Omni, read: Callable[[], Asked]) -> None:
        self._omni = omni
        self._read = read
        self._is_cancelled = threading.Event()
        self._conversation: Conversation | None = None

    def run(self) -> Iterator[Event]:
        asked = self._read()
        self._conversation = self._omni.conversation(asked.turns, is_asked_at_once=True)
        if asked.min_tokens:
            _require_room(self._conversation, asked.min_tokens)
        events = self._conversation.reply(
            asked.want, sampling=asked.sampling, seed=asked.seed, max_tokens=asked.max_tokens, rules=asked.rules
        )
        # `reply` forgets a cancel that came before it.
        if not self._is_cancelled.is_set():
            yield from events

    def cancel(self) -> None:
        self._is_cancelled.set()
        if self._conversation is not None:
            self._conversation.cancel()

    def history(self) -> tuple[Message, ...]:
        """The conversation with the reply, once that is done; pictures as small as the model saw them."""
        assert self._conversation is not None
        return self._conversation.history


def _require_room(conversation: Conversation, num_tokens: int) -> None:
    num_taken, num_left = conversation.num_tokens, conversation.num_tokens_left
    if num_left < num_tokens:
        raise ApiError(
            f"the request takes {num_taken:,} tokens of the model's context of {num_taken + num_left:,}; the reply "
            f"needs {num_tokens:,}, so send less",
            code="context_length_exceeded",
        )


@dataclass(frozen=True)
class _Piece(Generic[R]):
    value: R


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class ModelWork:
    """So many jobs at once, and so many that wait; the next one is told to come again."""

    def __init__(self, *, num_threads: int, num_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="http-model")
        self._places = threading.BoundedSemaphore(num_threads + num_waiting)

    async def stream(self, job: Job[R]) -> AsyncGenerator[R, None]:
        """The job's pieces as they come; closing it cancels the job.

        Raises:
            ApiError: If the server has too much to do, or the job failed.
        """
        if not self._places.acquire(blocking=False):
            raise ApiError("too many requests wait for the model", status=429, code="server_busy", retry_s=RETRY_S)
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[_Piece[R] | _Failed | None] = asyncio.Queue()

        def put(item: _Piece[R] | _Failed | None) -> None:
            # That it failed or ended is told however much waits: else its reader would wait for ever.
            if isinstance(item, _Piece) and queue.qsize() > MAX_UNREAD:
                raise ApiError("the reply was not read", status=CLIENT_GONE, code="slow_reader")
            loop.call_soon_threadsafe(queue.put_nowait, item)

        # In the request's context, so that the reply is counted for its client.
        future = self._pool.submit(contextvars.copy_context().run, _run, job, put)
        future.add_done_callback(self._release)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, _Failed):
                    raise as_api_error(item.error)
                yield item.value
        finally:
            job.cancel()
            future.cancel()

    def close(self) -> None:
        """Begin no more jobs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, future: Future[None]) -> None:
        self._places.release()


def _run(job: Job[R], put: Callable[[_Piece[R] | _Failed | None], None]) -> None:
    try:
        try:
            for value in job.run():
                put(_Piece(value))
        except Exception as error:
            put(_Failed(error))
        put(None)
    except RuntimeError:
        job.cancel()  # the loop is closed: nobody is left to tell


async def while_connected(request: Request, answer: Coroutine[Any, Any, R]) -> R:
    """The answer; where the client leaves before it is there, the answer is cancelled."""
    working = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ApiError("the client has left", status=CLIENT_GONE, code="client_gone")
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def collected(stream: AsyncGenerator[R, None]) -> list[R]:
    async with aclosing(stream):
        return [value async for value in stream]


async def begun(stream: AsyncGenerator[R, None]) -> AsyncGenerator[R, None]:
    """The same stream once its first piece is there, so that a request refused by then still gets its status."""
    try:
        first = await anext(stream)
    except StopAsyncIteration:
        return stream
    except BaseException:
        await stream.aclose()
        raise
    return _after(first, stream)


async def _after(first: R, stream: AsyncGenerator[R, None]) -> AsyncGenerator[R, None]:
    async with aclosing(stream):
        yield first
        async for value in stream:
            yield value


async def together(streams: Sequence[AsyncGenerator[R, None]]) -> AsyncGenerator[tuple[int, R], None]:
    """What several streams give, as it comes, each with its stream's number; closing it closes them all."""
    queue: asyncio.Queue[tuple[int, R] | BaseException | None] = asyncio.Queue()

    async def pump(number: int, stream: AsyncGenerator[R, None]) -> None:
        try:
            async with aclosing(stream):
                async for value in stream:
                    queue.put_nowait((number, value))
            queue.put_nowait(None)
        except Exception as error:
            queue.put_nowait(error)

    tasks = [asyncio.ensure_future(pump(number, stream)) for number, stream in enumerate(streams)]
    try:
        num_open = len(tasks)
        while num_open:
            item = await queue.get()
            if item is None:
                num_open -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def events_of(
    pieces: AsyncIterator[tuple[str | None, str]], *, ends_with: str | None = "[DONE]"
) -> AsyncIterator[bytes]:
    """Server-sent events from (name, JSON) pairs; an error on the way is the last event."""
    try:
        async for name, data in pieces:
            head = f"event: {name}\n" if name else ""
            yield f"{head}data: {data}\n\n".encode()
    except Exception as error:
        told = as_api_error(error)
        yield f"event: error\ndata: {json.dumps(told.body())}\n\n".encode()
        return
    if ends_with is not None:
        yield f"data: {ends_with}\n\n".encode()
