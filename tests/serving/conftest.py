"""A stand-in for the model, so that these tests ask about sessions and not about weights."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from omniloom.data.scenes import parse_description, render
from omniloom.generation import (
    AudioDelta,
    Done,
    ImageDelta,
    ImageDone,
    Omni,
    Reply,
    Sampling,
    TextDelta,
    TokenCounts,
    Usage,
)
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import WIRE_RATE_HZ, encode_pcm
from omniloom.serving.realtime.outbox import Outbox
from omniloom.serving.realtime.protocol import EXTENSIONS
from omniloom.serving.realtime.session import RealtimeSession
from omniloom.serving.talk import listen, make_server
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Part, Text

RATE_HZ = 16_000
LAST_EVENTS = {"error", "response.done"}


class FakeConversation:
    """Answers by rule: says what it was given, and draws what the words describe."""

    def __init__(self, omni: FakeOmni, history: Sequence[Message]) -> None:
        self.history = tuple(history)
        self.given: list[Part] = []
        self.heard_s = 0.0
        self._omni = omni
        self._is_cancelled = threading.Event()

    def hear(self, audio: Audio) -> list[float]:
        """A frame in each piece; in silence the turn has ended."""
        self.heard_s += audio.duration_s
        return [float(float(audio.samples.abs().max()) < 0.05)] if self._omni.reads_turn_end else []

    def add(self, part: Part) -> None:
        if isinstance(part, Text) and part.text == "refuse":
            raise ValueError("the fake refuses this")
        if isinstance(part, Audio):
            self.hear(part)
        self.given.append(part)

    def cancel(self) -> None:
        self._is_cancelled.set()

    def reply(self, *, want: frozenset[str], sampling: Sampling, seed: int, max_tokens: int) -> Iterator[Any]:
        self._is_cancelled.clear()
        self._omni.sampled.append(sampling.temperature)
        self._omni.last_history_length = len(self.history)
        words = self._words()
        self.given, self.heard_s = [], 0.0
        self.history += (Message("user", (Text("asked"),)), Message("assistant", (Text("said"),)))
        if words == "break":
            raise RuntimeError("the fake is broken")
        for number, word in enumerate(words.split()):
            if number >= max_tokens:
                yield done("length")
                return
            self._omni.steps.acquire()
            if self._is_cancelled.is_set():
                yield done("cancelled")
                return
            yield TextDelta(word if number == 0 else f" {word}")
            if "audio" in want:
                yield AudioDelta(_tone(number), RATE_HZ)
        if "image" in want:
            yield from _drawing(words)
        yield done("stop")

    def _words(self) -> str:
        texts = [part.text for part in self.given if isinstance(part, Text)]
        if texts:
            return texts[-1]
        pictures = sum(isinstance(part, Image) for part in self.given)
        return f"heard {self.heard_s * 1000:.0f} ms" if self.heard_s else f"saw {pictures} pictures"


def done(reason: Any) -> Done:
    usage = Usage(prompt=TokenCounts(text=7), cached=TokenCounts(text=5), text_tokens=2)
    reply = Reply(text="", audio=None, image=None, parts=(), ids=(), finish_reason=reason, usage=usage)
    return Done(reason, usage, reply)


def _tone(number: int) -> torch.Tensor:
    return 0.2 * torch.sin(torch.arange(RATE_HZ * 240 // 1000) * (0.15 + 0.02 * number))


def _drawing(words: str) -> Iterator[Any]:
    scene = parse_description(words.removeprefix("draw ")) or parse_description("big red circle top left")
    assert scene is not None
    whole = render(scene)
    for rows in (16, 40):
        pixels = whole.pixels.clone()
        pixels[:, rows:] = 235
        yield ImageDelta(Image(pixels))
    yield ImageDone(whole)


class FakeOmni:
    """Makes conversations; `hold` lets a test decide how far an answer gets."""

    def __init__(self) -> None:
        self.conversations: list[FakeConversation] = []
        self.steps = threading.Semaphore(1_000_000)
        self.last_history_length = 0
        self.sampled: list[float] = []
        self.reads_turn_end = False
        self.scores: dict[str, Any] = {}
        self.context = 1_024

    def on_usage(self, tell: Callable[[Any], None]) -> None:
        """Replies of the stand-in take nothing."""

    def hold(self, *, after_words: int) -> None:
        self.steps = threading.Semaphore(after_words)

    def release(self, num_words: int = 1_000_000) -> None:
        self.steps.release(num_words)

    def conversation(self, history: Sequence[Message] = ()) -> FakeConversation:
        self.conversations.append(FakeConversation(self, history))
        return self.conversations[-1]


class Client:
    """A session with its events read back as dictionaries."""

    def __init__(self, omni: FakeOmni, **options: Any) -> None:
        self.omni = omni
        self.outbox = Outbox(limit_bytes=options.pop("unsent_bytes", 1 << 24))
        options.setdefault("new_probability", lambda: lambda window: float(np.abs(window).max() > 0.05))
        self.session = RealtimeSession(omni, outbox=self.outbox, model_name="fake", **options)  # type: ignore[arg-type]

    def send(self, **event: Any) -> None:
        self.session.handle(json.dumps(event))

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.outbox.get(timeout_s=5))
        return found

    def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to the first of a kind."""
        events = [self.next()]
        while events[-1]["type"] != kind:
            events.append(self.next())
        return events

    def say(self, text: str, **response: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self.send(type="response.create", response=response)

    def manual(self) -> None:
        self.send(type="session.update", session={"audio": {"input": {"turn_detection": None}}})
        self.until("session.updated")


def members(union: Any) -> dict[str, Any]:
    """The classes of one of the official package's unions of events, by their `type`."""
    return {member.model_fields["type"].annotation.__args__[0]: member for member in union.__args__[0].__args__}


@pytest.fixture(scope="session")
def check_official() -> Callable[..., None]:
    """Holds a server event strictly against the class that the official package has for it."""

    def check(union: Any, event: dict[str, Any]) -> None:
        if event["type"] in EXTENSIONS:
            return
        member = members(union)[event["type"]]
        member.model_validate(event, strict=True)

    return check


@pytest.fixture
def omni() -> FakeOmni:
    return FakeOmni()


@pytest.fixture
def new_client(omni: FakeOmni) -> Iterator[Callable[..., Client]]:
    """Makes sessions around the stand-in, each past its `session.created`, and ends their threads afterwards."""
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        client = Client(omni, **options)
        assert client.next()["type"] == "session.created"
        clients.append(client)
        return client

    yield make
    omni.release()
    for client in clients:
        client.session.close()
        assert client.session.join(timeout_s=5)


@pytest.fixture
def client(new_client: Callable[..., Client]) -> Client:
    return new_client(limits=Limits())


@pytest.fixture
def sound() -> Callable[..., str]:
    """Base64 PCM of a loud tone or of silence, `ms` long."""

    def make(ms: int, *, loud: bool = True) -> str:
        num = WIRE_RATE_HZ * ms // 1000
        tone = 0.5 * np.sin(np.arange(num) * 0.2) if loud else np.zeros(num)
        return encode_pcm(tone.astype(np.float32))

    return make


@contextmanager
def running_server(model: Any, *, model_name: str, limits: Limits = Limits()) -> Iterator[str]:
    """A real server on loopback; its "host:port"."""
    listener = listen("127.0.0.1", 0)
    running = make_server(model, model_name=model_name, turns_remembered=0, limits=limits)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        if isinstance(model, FakeOmni):
            model.release()
        running.should_exit = True
        thread.join(timeout=10)
        listener.close()
    assert not thread.is_alive()


@pytest.fixture
def server(omni: FakeOmni) -> Iterator[str]:
    """The address of a real server that serves the stand-in."""
    with running_server(omni, model_name="fake") as address:
        yield address


@pytest.fixture
def tiny_server() -> Iterator[str]:
    """The address of a real server that serves the shipped model."""
    with running_server(Omni.load("tiny"), model_name="tiny") as address:
        yield address
