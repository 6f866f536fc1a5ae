"""The beta dialect under whatever clients send: as `realtime/test_fuzz.py`, in its own events and fields."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving.fuzzing import (
    CONTENT,
    ITEMS,
    SETTINGS,
    SOUND,
    TOOLS,
    TURN_DETECTION,
    Healthy,
    event,
    filled,
    messages_of,
)

from omniloom.serving.beta import BetaSession
from omniloom.serving.beta.protocol import CLIENT_EVENTS, SERVER_EVENTS
from omniloom.serving.realtime import Outbox, RealtimeSession

KEYS = ["type", "event_id", "session", "audio", "item", "role", "content", "text", "image_url", "response", "input"]
KEYS += ["modalities", "turn_detection", "max_response_output_tokens", "previous_item_id", "voice", "metadata"]
KEYS += ["input_audio_format", "output_audio_format", "tools", "tool_choice", "temperature", "speed"]
WORDS = ["message", "user", "input_text", "input_audio", "input_image", "server_vad", "g711_ulaw", "g711_alaw", "pcm16"]
FORMATS = st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw"])


def update(**session):
    return event("session.update", session=st.fixed_dictionaries(session))


PROPER = st.one_of(
    update(modalities=st.sampled_from([["text"], ["text", "audio"]])),
    update(turn_detection=TURN_DETECTION),
    update(input_audio_format=FORMATS, output_audio_format=FORMATS),
    update(tools=TOOLS, instructions=st.sampled_from(["", "be kind"])),
    event("transcription_session.update", session=st.fixed_dictionaries({"turn_detection": TURN_DETECTION})),
    event("input_audio_buffer.append", audio=SOUND),
    event("input_audio_buffer.append", audio=SOUND),
    event("input_audio_buffer.commit"),
    event("input_audio_buffer.clear"),
    event(
        "conversation.item.create",
        item=event("message", id=ITEMS, role=st.just("user"), content=st.lists(CONTENT, min_size=1, max_size=3)),
    ),
    event("conversation.item.retrieve", item_id=ITEMS),
    event("conversation.item.delete", item_id=ITEMS),
    event("conversation.item.truncate", item_id=ITEMS, content_index=st.just(0), audio_end_ms=st.sampled_from([0, 80])),
    event("response.create"),
    event("response.create", response=st.just({"modalities": ["text"], "max_response_output_tokens": 2})),
    event("response.cancel"),
)
MESSAGES = messages_of(PROPER, (*CLIENT_EVENTS, *SERVER_EVENTS), keys=KEYS, words=WORDS)


@contextlib.contextmanager
def beta_session(omni, loudness):
    """A session over the stand-in, and where its events come out."""
    outbox = Outbox(limit_bytes=1 << 24)

    def inner(outbox):
        return RealtimeSession(omni, outbox=outbox, model_name="fake", new_probability=lambda: loudness)

    session = BetaSession(inner, outbox=outbox)
    try:
        yield session, outbox
    finally:
        session.close()
        assert session.join(timeout_s=5)


def send_all(omni, loudness, healthy, messages, caplog):
    """Give a session these messages; both it and the one beside it are as well as before."""
    with beta_session(omni, loudness) as (session, outbox):
        for message in messages:
            session.handle(filled(message))
        plain = {"modalities": ["text"], "max_response_output_tokens": "inf", "tool_choice": "none"}
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "still here"}]}
        marked = {"which": "the last"}
        for last in (
            {"type": "session.update", "session": plain},
            {"type": "response.cancel"},
            {"type": "conversation.item.create", "item": said},
            {"type": "response.create", "response": {"metadata": marked}},
        ):
            session.handle(json.dumps(last))
        while True:
            told = json.loads(outbox.get(timeout_s=5))
            if told["type"] == "response.done" and told["response"]["metadata"] == marked:
                break
        assert told["response"]["status"] == "completed"
    healthy.check()
    assert "unexpectedly" not in caplog.text and "failed" not in caplog.text


@pytest.fixture
def healthy(new_client):
    return Healthy(new_client())


@settings(SETTINGS, max_examples=40)
@given(messages=st.lists(MESSAGES, max_size=24))
def test_nothing_a_client_sends_ends_its_session_or_disturbs_another(omni, loudness, healthy, caplog, messages):
    send_all(omni, loudness, healthy, messages, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_twenty_thousand_events(omni, loudness, healthy, caplog, part):
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
