"""What clients send that mean no good, or are broken: events of any dialect, proper, spoilt, and made of nothing.

Sound and pictures are only named in a message until it is sent (`filled`), as examples that fail have to be read.
"""

from __future__ import annotations

import base64
import copy
import functools
import io
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from omniloom.serving.realtime.protocol import event_type

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
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
    """With the sounds and pictures that a message names."""
    if isinstance(message, bytes):
        return message
    message = re.sub(r"<(\d+) ms at (0|0\.5)>", lambda found: pcm(int(found[1]), float(found[2])), message)
    return message.replace("<picture>", picture())


SOUND = st.builds(
    lambda ms, level: f"<{ms} ms at {level}>", st.sampled_from([10, 32, 100, 400]), st.sampled_from([0, 0.5])
)
ITEMS = st.sampled_from(["one", "two", "three", "nobody"])
CONTENT = st.one_of(
    st.builds(lambda text: {"type": "input_text", "text": text}, st.sampled_from(["hello", "draw a red circle"])),
    st.builds(lambda sound: {"type": "input_audio", "audio": sound}, SOUND),
    st.just({"type": "input_image", "image_url": "<picture>"}),
)
TURN_DETECTION = st.sampled_from(
    [None, {"type": "server_vad", "silence_duration_ms": 200}, {"type": "semantic_vad", "eagerness": "high"}]
)
TOOLS = st.sampled_from(
    [
        [],
        [{"type": "function", "name": "look", "parameters": {"type": "object"}}],
        [{"type": "function", "name": "look"}, {"type": "function", "name": "call"}],
    ]
)


def event(name: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(name), **fields})


def messages_of(
    proper: st.SearchStrategy[dict[str, Any]], events: Sequence[Any], *, keys: Sequence[str], words: Sequence[str]
) -> st.SearchStrategy[str | bytes]:
    """Messages of a dialect that has these events and fields: two in seven are proper."""
    names = [event_type(event) for event in events]
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([*names, *words, "AAAA"]),
    )
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=5),
        max_leaves=12,
    )
    noise = st.builds(
        lambda name, fields: json.dumps({**fields, "type": name}),
        st.sampled_from(names),
        st.dictionaries(st.sampled_from(keys), values, max_size=6),
    )
    return st.one_of(
        proper.map(json.dumps), proper.map(json.dumps), spoilt(proper, values), noise, values.map(json.dumps),
        st.text(max_size=40), st.binary(max_size=40),
    )  # fmt: skip


@st.composite
def spoilt(draw: Any, proper: st.SearchStrategy[dict[str, Any]], values: st.SearchStrategy[Any]) -> str:
    """A proper event of which one to three things are left out, or are something else."""
    found = copy.deepcopy(draw(proper))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = found
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
                place[key] = draw(values)
            break
    return json.dumps(found)


class Healthy:
    """A session that only ever asks one thing, and what that brings while nobody else is there."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._told()
        self._alone = self._told()

    def check(self) -> None:
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
