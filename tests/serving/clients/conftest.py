"""Real clients ask the shipped model with real voices, over a real server on loopback."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from omniloom.core.randomness import generator
from omniloom.data.problems import DigitsProblem
from omniloom.data.problems.sums import SUM
from omniloom.data.problems.turns import aloud
from omniloom.generation import Omni
from omniloom.serving.listening import listen
from omniloom.serving.serve import ServeOptions, make_server
from omniloom.stream.parts import Audio

WIRE_RATE_HZ = 24_000
PIECE_MS = 20
SILENCE_MS = 2_500
"""More than the longest wait of `semantic_vad` at its eagerest."""


@dataclass(frozen=True)
class Spoken:
    """Something said aloud, as 16-bit samples, and what the right answer has in it."""

    sound: Audio
    answer: str

    def pcm(self, rate_hz: int = WIRE_RATE_HZ, *, silence_ms: int = SILENCE_MS) -> bytes:
        """The words, with the room before, underneath and after them: 70 dB under full scale, as quiet as a study."""
        samples = self.sound.resampled(rate_hz).samples.numpy()
        whole = np.pad(samples, (rate_hz // 3, rate_hz * silence_ms // 1000))
        whole = whole + np.random.default_rng(0).normal(0, 3e-4, whole.size)
        return bytes((np.clip(whole, -1, 1) * 32767).round().astype("<i2").tobytes())

    def pieces(self, rate_hz: int = WIRE_RATE_HZ, *, silence_ms: int = SILENCE_MS) -> Iterator[str]:
        """What a microphone gives, 20 ms at a time, in base64."""
        whole, length = self.pcm(rate_hz, silence_ms=silence_ms), rate_hz * PIECE_MS // 1000 * 2
        for start in range(0, len(whole), length):
            yield base64.b64encode(whole[start : start + length]).decode()


@pytest.fixture(scope="session")
def digit() -> Spoken:
    """A digit said by a person of the recordings; without those by a synthetic voice."""
    try:
        example = DigitsProblem().example("new", 2, "digit_audio")
    except (ValueError, OSError):
        sound, _ = aloud("seven", generator("a digit"), "new")
        return Spoken(sound, "seven")
    (sound,) = example.prompt[-1].parts
    assert isinstance(sound, Audio)
    return Spoken(sound, example.answer)


@pytest.fixture(scope="session")
def sum_question() -> Spoken:
    """A sum asked aloud by a synthetic voice."""
    random = generator("a sum")
    words, _ = SUM.fill(random, split="new", is_spoken=True, sum="five plus one")
    sound, _ = aloud(words, random, "new")
    return Spoken(sound, "six")


@pytest.fixture(scope="session")
def tiny_omni() -> Omni:
    return Omni.load("tiny")


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Serves a model on loopback with some options of `omniloom serve`; gives "host:port"."""

    @contextmanager
    def running(omni: Omni, **options: Any) -> Iterator[str]:
        listener = listen("127.0.0.1", 0)
        server = make_server(ServeOptions(checkpoint="tiny", turns_remembered=0, **options), omni)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            listener.close()
        assert not thread.is_alive()

    return running


@pytest.fixture(scope="module")
def tiny_address(tiny_omni: Omni, serving: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a server of the shipped model, for all tests of a file."""
    with serving(tiny_omni) as address:
        yield address


@pytest.fixture
def checked(check_official: Callable[..., None]) -> Callable[[Any, Any], dict[str, Any]]:
    """Reads the next event off an official connection, as a dictionary that the package's own class has taken."""

    def receive(connection: Any, union: Any) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(connection.recv_bytes())
        check_official(union, event)
        return event

    return receive


@pytest.fixture(scope="session")
def seconds_of() -> Callable[[list[str]], float]:
    """How long the sound in base64 deltas lasts, 16 bit at 24 kHz."""
    return lambda deltas: sum(len(base64.b64decode(delta)) for delta in deltas) / (WIRE_RATE_HZ * 2)
