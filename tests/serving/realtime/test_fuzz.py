"""Whatever a client sends, the session answers with events, and answers a proper question afterwards."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom.serving.realtime.protocol import CLIENT_EVENTS, SERVER_EVENTS, event_type

NAMES = [event_type(event) for event in (*CLIENT_EVENTS, *SERVER_EVENTS)]
KEYS = ["type", "event_id", "session", "audio", "item", "role", "content", "text", "image_url", "response", "input"]
KEYS += ["output_modalities", "turn_detection", "max_output_tokens", "previous_item_id", "threshold", "metadata"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([*NAMES, "message", "user", "input_text", "input_audio", "input_image", "server_vad", "AAAA"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
EVENTS = st.builds(
    lambda name, fields: json.dumps({**fields, "type": name}),
    st.sampled_from([event_type(event) for event in CLIENT_EVENTS]),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6),
)
MESSAGES = st.one_of(EVENTS, VALUES.map(json.dumps), st.text(max_size=40), st.binary(max_size=40))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES, max_size=8))
def test_nothing_a_client_sends_ends_its_session(client, caplog, messages):
    for message in messages:
        client.session.handle(message)
    client.send(type="session.update", session={"output_modalities": ["text"], "max_output_tokens": "inf"})
    client.send(type="response.cancel")
    client.until("error")
    client.say("still here")
    events = client.until("response.done")
    while events[-1]["response"]["status"] == "cancelled":
        events = client.until("response.done")
    assert events[-1]["response"]["status"] == "completed"
    assert "unexpectedly" not in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "response.create", "event_id": "\\ud800"}',
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": '
        '[{"type": "input_text", "text": "\\udfff"}]}}',
        "[" * 100_000,
        b"\xff\xfe{}",
        '{"type": "response.create"} trailing',
        "",
    ],
)
def test_text_that_is_no_text_is_one_error(client, message):
    client.session.handle(message)
    assert client.next()["error"]["code"] == "invalid_json"
    client.say("hello")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"
