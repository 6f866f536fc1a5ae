"""Live sessions under whatever clients send: as `realtime/test_fuzz.py`, in Live's own events, on a clock of the test.

A session that a proper `session.close` ended says so last, and nothing after it.
"""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.serving.fuzzing import SETTINGS, SOUND, TOOLS, Healthy, event, filled, messages_of

from omniloom.serving.live import LiveSession, PacedOutbox
from omniloom.serving.live.pacing import SILENCE, bytes_per_ms
from omniloom.serving.live.protocol import CLIENT_EVENTS, SERVER_EVENTS, AudioFormat
from omniloom.serving.realtime import RealtimeSession
from omniloom.serving.realtime import protocol as p

KEYS = ["type", "event_id", "session", "model", "audio", "format", "rate", "output", "voice", "instructions", "input"]
KEYS += ["delegation", "responses", "tools", "tool_choice", "content", "delegation_id", "item", "call_id", "role"]
WORDS = [
    "fake",
    "message",
    "user",
    "input_text",
    "client",
    "responses",
    "audio/pcm",
    "audio/pcmu",
    "function_call_output",
]
START = event(
    "session.start",
    session=st.fixed_dictionaries(
        {"model": st.just("fake")},
        optional={
            "audio": st.fixed_dictionaries(
                {"format": st.sampled_from([{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}])}
            ),
            "instructions": st.just("be kind"),
            "input": st.just(
                [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
            ),
            "delegation": st.one_of(
                st.just({"type": "client"}),
                event("responses", responses=st.fixed_dictionaries({"tools": TOOLS})),
            ),
        },
    ),
)
WORDS_GIVEN = st.sampled_from(["hello", "call me", "a longer thing to speak about"])
PROPER = st.one_of(
    START,
    START,
    event("session.update", session=st.just({})),
    event(
        "session.update",
        session=st.fixed_dictionaries(
            {"delegation": event("responses", responses=st.fixed_dictionaries({"tools": TOOLS}))}
        ),
    ),
    event("session.input_audio.append", audio=SOUND),
    event("session.input_audio.append", audio=SOUND),
    event("session.input_audio.append", audio=SOUND),
    event("session.input_audio.mute"),
    event("session.input_audio.unmute"),
    event("session.instructions.append", content=WORDS_GIVEN),
    event("session.thinking.append", content=WORDS_GIVEN),
    event("session.commentary.append", content=WORDS_GIVEN),
    event("session.output_audio.fixture.play", audio=SOUND),
    event(
        "response.item.create",
        item=event("function_call_output", call_id=st.just("call_1"), output=st.just("a circle")),
    ),
    event("response.create"),
)
MESSAGES = messages_of(PROPER, (*CLIENT_EVENTS, *SERVER_EVENTS), keys=KEYS, words=WORDS)


class Client:
    """A Live session over the stand-in, on a clock that stands still until somebody waits for an event."""

    def __init__(self, omni, loudness):
        self.now_s = 1000.0
        self._format = {"type": "audio/pcm", "rate": 24000}
        self.outbox = PacedOutbox(limit_bytes=1 << 24, clock=lambda: self.now_s)

        def inner(outbox):
            return RealtimeSession(omni, outbox=outbox, model_name="fake", new_probability=lambda: loudness)

        vad = p.ServerVad(silence_duration_ms=200)
        self.session = LiveSession(inner, outbox=self.outbox, model_name="fake", turn_detection=vad)

    def send(self, type, **fields):
        self.session.handle(json.dumps({"type": type, **fields}))

    def next(self):
        """The next event, as if the time had come for it; None where none comes any more."""
        for _ in range(250):
            with contextlib.suppress(TimeoutError):
                event = json.loads(self.outbox.get(timeout_s=0.02))
                self._format = event.get("session", {}).get("audio", {}).get("format", self._format)
                return event
            self.now_s += 30.0
            if self.outbox.closed_because is not None and self.outbox.due_in_s() is None:
                return None
        raise AssertionError("no event within 5 s")

    def silence(self):
        """0.4 s in the session's format."""
        num_bytes = 400 * bytes_per_ms(TypeAdapter(AudioFormat).validate_python(self._format))
        return base64.b64encode(SILENCE[self._format["type"]] * num_bytes).decode()

    def until(self, holds):
        """The event for which it holds; None where the session ends before."""
        while (event := self.next()) is not None and not holds(event):
            pass
        return event


def send_all(omni, loudness, healthy, messages, caplog):
    """Give a session these messages; both it and the one beside it are as well as before."""
    client = Client(omni, loudness)
    try:
        for message in messages:
            client.session.handle(filled(message))
        check_that_it_speaks(client)
    finally:
        client.session.close()
        assert client.session.join(timeout_s=5)
    healthy.check()
    assert "unexpectedly" not in caplog.text and "failed" not in caplog.text


def check_that_it_speaks(client):
    """Once nobody else speaks, the session says what it is given."""
    client.send("session.start", session={"model": "fake"})
    client.send("session.update", session={"delegation": {"type": "responses", "responses": {"tool_choice": "none"}}})
    client.send("session.input_audio.unmute", event_id="all before")
    ended = client.until(lambda told: told["type"] == "session.closed" or told.get("client_event_id") == "all before")
    if ended is None or ended["type"] == "session.closed":
        assert client.next() is None
        return
    client.now_s += 60.0  # A fixture has been played.
    for _ in range(5):  # Whoever speaks ends.
        client.send("session.input_audio.append", audio=client.silence())
    said = ""
    client.send("session.commentary.append", content="still here")
    while "still here" not in said:
        told = client.until(lambda told: told["type"] in ("session.output_transcript.delta", "error"))
        assert told is not None
        if told["type"] == "error":
            assert told["error"]["code"] == "too_many_commentaries", told
            client.until(lambda told: told["type"] == "session.usage.updated")
            client.send("session.commentary.append", content="still here")
        else:
            said += told["delta"]


@pytest.fixture
def healthy(new_client):
    return Healthy(new_client())


@settings(SETTINGS, max_examples=40)
@given(messages=st.lists(MESSAGES, max_size=24))
def test_nothing_a_client_sends_ends_its_session_or_disturbs_another(omni, loudness, healthy, caplog, messages):
    send_all(omni, loudness, healthy, messages, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_thirty_thousand_events(omni, loudness, healthy, caplog, part):
    """10,000 of them in each part, counted."""
    num_sent = 0

    @settings(SETTINGS, derandomize=False, max_examples=400)
    @given(messages=st.lists(MESSAGES, min_size=30, max_size=60))
    def send(messages):
        nonlocal num_sent
        num_sent += len(messages)
        send_all(omni, loudness, healthy, messages, caplog)

    while num_sent < 10_000:
        send()
