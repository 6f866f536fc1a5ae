"""A client that leaves takes its work with it: the model is told to stop, whatever the request was waiting for."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import uvicorn

from omniloom.generation import Done, Reply, TextDelta, Turn, Usage
from omniloom.serving.app import create_app
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.talk import listen
from omniloom.stream.message import Message

PATIENCE_S = 20


class HeldConversation:
    """Says one word, and no other before it is cancelled or released."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.is_cancelled = threading.Event()
        self.may_go_on = threading.Event()
        self.must_fail = threading.Event()

    def reply(self, want: Any, **settings: Any) -> Iterator[Any]:
        yield TextDelta("one")
        self.has_begun.set()
        while not (self.is_cancelled.wait(0.01) or self.may_go_on.is_set()):
            if self.must_fail.is_set():
                raise ValueError("it fails")
        reason: Any = "cancelled" if self.is_cancelled.is_set() else "stop"
        usage = Usage(text_tokens=1)
        reply = Reply(text="one", audio=None, image=None, parts=(), ids=(), finish_reason=reason, usage=usage)
        yield Done(reason, usage, reply)

    def cancel(self) -> None:
        self.is_cancelled.set()


class HeldTurns:
    """Turns of a stand-in hold nothing."""

    def encode(self, message: Message) -> Turn:
        return Turn(message.role, [])


class HeldOmni:
    """Hands out conversations that wait."""

    context = 1_024
    reads_turn_end = False
    scores: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.made: list[HeldConversation] = []
        self.is_made = threading.Semaphore(0)
        self.turns = HeldTurns()

    def on_usage(self, tell: object) -> None:
        """Its replies take nothing."""

    def stats(self) -> None:
        """Nobody asks for them."""

    def conversation(self, history: list[Turn], *, is_asked_at_once: bool) -> HeldConversation:
        self.made.append(HeldConversation())
        self.is_made.release()
        return self.made[-1]

    def next(self, place: int) -> HeldConversation:
        assert self.is_made.acquire(timeout=PATIENCE_S)
        found = self.made[place]
        assert found.has_begun.wait(PATIENCE_S)
        return found


@pytest.fixture
def omni() -> HeldOmni:
    return HeldOmni()


@pytest.fixture
def port(omni: HeldOmni) -> Iterator[int]:
    """A server for at most two requests, of which one waits."""

    limits = Limits(requests_at_once=2, waiting_requests=1)
    app = create_app(omni, model_name="held", limits=limits)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=2))
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    for made in omni.made:
        made.may_go_on.set()
    server.should_exit = True
    thread.join(timeout=PATIENCE_S)
    listener.close()
    assert not thread.is_alive()


def send(port: int, **fields: Any) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    body = {"model": "held", "messages": [{"role": "user", "content": "go"}], **fields}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_leaves_stops_the_model(omni: HeldOmni, port: int, stream: bool) -> None:
    connection = send(port, stream=stream)
    held = omni.next(0)
    if stream:
        response = connection.getresponse()
        while b"one" not in response.readline():
            pass
        response.close()
    assert not held.is_cancelled.is_set()
    connection.close()
    assert held.is_cancelled.wait(PATIENCE_S)


def test_every_choice_stops(omni: HeldOmni, port: int) -> None:
    connection = send(port, n=2)
    held = [omni.next(0), omni.next(1)]
    connection.close()
    assert all(one.is_cancelled.wait(PATIENCE_S) for one in held)


def test_a_choice_that_fails_stops_the_others(omni: HeldOmni, port: int) -> None:
    connection = send(port, n=2)
    first, second = omni.next(0), omni.next(1)
    first.must_fail.set()
    assert connection.getresponse().status == 400
    assert second.is_cancelled.wait(PATIENCE_S)
    connection.close()


def test_whoever_waits_gets_the_place_of_who_has_left(omni: HeldOmni, port: int) -> None:
    first, second = send(port), send(port)
    omni.next(0), omni.next(1)
    third = send(port, stream=True)
    first.close()
    assert any(one.is_cancelled.wait(PATIENCE_S) for one in omni.made[:2])
    omni.next(2).may_go_on.set()
    assert b"[DONE]" in third.getresponse().read()
    second.close(), third.close()


def test_one_too_many_is_told_to_come_again(omni: HeldOmni, port: int) -> None:
    waiting = [send(port) for _ in range(2)]
    omni.next(0), omni.next(1)
    refused = send(port, n=2)
    response = refused.getresponse()
    assert response.status == 429 and response.headers["Retry-After"] == "1"
    assert json.loads(response.read())["error"]["code"] == "server_busy"
    for held in omni.made:
        held.may_go_on.set()
    assert [connection.getresponse().status for connection in waiting] == [200, 200]
    for connection in [*waiting, refused]:
        connection.close()
