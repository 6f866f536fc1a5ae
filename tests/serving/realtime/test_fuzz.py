"""Whatever clients send, their sessions answer with events, answer a proper question afterwards, and harm no other.

Events are made of nothing, or proper ones, or proper ones with a few things wrong; sound runs between them. By default
a few thousand are sent; all 100,000 take minutes:

    python -m pytest tests/serving/realtime/test_fuzz.py -m "slow or not slow"
"""

from __future__ import annotations

import base64
import copy
import functools
import io
import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

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
NOISE = st.builds(
    lambda name, fields: json.dumps({**fields, "type": name}),
    st.sampled_from([event_type(event) for event in CLIENT_EVENTS]),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6),
)


@functools.cache
def pcm(ms: int, loudness: float) -> str:
    samples = loudness * np.sin(np.arange(24 * ms) * 0.2)
    return base64.b64encode((samples * 32767).astype("<i2").tobytes()).decode()


@functools.cache
def picture() -> str:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def filled(message: str | bytes) -> str | bytes:
    """With sounds and pictures where a message only names them, as examples that fail have to be read."""
    if isinstance(message, bytes):
        return message
    message = re.sub(r"<(\d+) ms at (0|0\.5)>", lambda found: pcm(int(found[1]), float(found[2])), message)
    return message.replace("<picture>", picture())


ITEMS = st.sampled_from(["one", "two", "three", "nobody"])
SOUND = st.builds(
    lambda ms, level: f"<{ms} ms at {level}>", st.sampled_from([10, 32, 100, 400]), st.sampled_from([0, 0.5])
)
CONTENT = st.one_of(
    st.builds(lambda text: {"type": "input_text", "text": text}, st.sampled_from(["hello", "draw a red circle"])),
    st.builds(lambda sound: {"type": "input_audio", "audio": sound}, SOUND),
    st.just({"type": "input_image", "image_url": "<picture>"}),
)
TURN_DETECTION = st.sampled_from(
    [None, {"type": "server_vad", "silence_duration_ms": 200}, {"type": "semantic_vad", "eagerness": "high"}]
)


def event(name, **fields):
    return st.fixed_dictionaries({"type": st.just(name), **fields})


PROPER = st.one_of(
    event("session.update", session=event("realtime", output_modalities=st.sampled_from([["text"], ["audio"]]))),
    event(
        "session.update",
        session=event(
            "realtime",
            audio=st.fixed_dictionaries({"input": st.fixed_dictionaries({"turn_detection": TURN_DETECTION})}),
        ),
    ),
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
    event("response.create", response=st.just({"output_modalities": ["text"], "max_output_tokens": 2})),
    event("response.cancel"),
)


@st.composite
def spoilt(draw):
    """A proper event of which one to three things are left out, or are something else."""
    found = copy.deepcopy(draw(PROPER))
    for _ in range(draw(st.integers(1, 3))):
        place = found
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                del place[key]
            else:
                place[key] = draw(VALUES)
            break
    return json.dumps(found)


MESSAGES = st.one_of(
    PROPER.map(json.dumps), PROPER.map(json.dumps), spoilt(), NOISE, VALUES.map(json.dumps), st.text(max_size=40),
    st.binary(max_size=40),
)  # fmt: skip


class Healthy:
    """A session that only ever asks one thing, and what that brings while nobody else is there."""

    def __init__(self, client):
        self._client = client
        self._told()
        self._alone = self._told()

    def check(self):
        assert self._told() == self._alone

    def _told(self) -> list[str]:
        """All that a question brings but for the first event, which names the item before; names in order of coming.

        A session holds so many items, and then tells which of the oldest give way.
        """
        self._client.say("how are you")
        names: dict[str, str] = {}
        told = [event for event in self._client.until("response.done") if event["type"] != "conversation.item.deleted"]
        events = [json.dumps(event) for event in told]
        named = re.compile(r"\b[a-z]+_[0-9a-f]{16,}\b")
        return [named.sub(lambda found: names.setdefault(found[0], str(len(names))), text) for text in events][1:]


def send_all(client, healthy, messages, caplog):
    """Give a session these messages; both it and the one beside it are as well as before."""
    for message in messages:
        client.session.handle(filled(message))
    client.send(type="session.update", session={"output_modalities": ["text"], "max_output_tokens": "inf"})
    client.send(type="response.cancel")
    client.say("still here", metadata={"which": "the last"})
    last = client.until("response.done")[-1]["response"]
    while last["metadata"] != {"which": "the last"}:
        last = client.until("response.done")[-1]["response"]
    assert last["status"] == "completed"
    healthy.check()
    assert "unexpectedly" not in caplog.text and "failed" not in caplog.text


@pytest.fixture
def healthy(new_client):
    return Healthy(new_client())


SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(SETTINGS, max_examples=80)
@given(messages=st.lists(MESSAGES, max_size=24))
def test_nothing_a_client_sends_ends_its_session_or_disturbs_another(client, healthy, caplog, messages):
    send_all(client, healthy, messages, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_thousand_events(new_client, healthy, caplog, part):
    """10,000 of them in each part, counted."""
    num_sent = 0

    @settings(SETTINGS, derandomize=False, max_examples=400)
    @given(messages=st.lists(MESSAGES, min_size=30, max_size=60))
    def send(messages):
        nonlocal num_sent
        num_sent += len(messages)
        send_all(new_client(), healthy, messages, caplog)

    while num_sent < 10_000:
        send()


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
