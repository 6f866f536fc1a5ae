"""A client that goes away at any point of an answer leaves nothing behind: no session, row, thread or event."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
import weakref
from collections import Counter
from urllib.request import urlopen

import pytest
from tests.serving.conftest import Client, running_server
from websockets.sync.client import connect

from omniloom.generation import Conversation, Omni
from omniloom.generation.decoder import RowDecoder
from omniloom.serving.realtime import Outbox, RealtimeSession
from omniloom.serving.realtime.worker import Worker

HELD = (RealtimeSession, Outbox, Worker, Conversation, RowDecoder)


@pytest.fixture(scope="module")
def address():
    with running_server(Omni.load("tiny"), model_name="tiny") as found:
        yield found


def held() -> Counter[str]:
    gc.collect()
    return Counter(type(found).__name__ for found in gc.get_objects() if type(found) in HELD)


def sessions(address) -> int:
    with urlopen(f"http://{address}/health") as answer:
        return json.load(answer)["sessions"]


def ask(client) -> None:
    content = [{"type": "input_text", "text": "what is 3 plus 4?"}]
    item = {"type": "message", "role": "user", "content": content}
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps({"type": "response.create"}))


def events_until_done(address) -> int:
    with connect(f"ws://{address}/v1/realtime", compression=None) as client:
        ask(client)
        number = 1
        while json.loads(client.recv(timeout=30))["type"] != "response.done":
            number += 1
    return number


def settled(address) -> Counter[str]:
    """What is held once no session is left."""
    deadline = time.monotonic() + 10
    while (sessions(address) or held().total()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held()


def test_a_client_that_vanishes_at_any_point_of_an_answer_leaves_nothing(address):
    num_events = events_until_done(address)
    assert num_events > 10
    assert settled(address) == Counter()
    num_threads = threading.active_count()
    for number in range(num_events + 1):
        client = connect(f"ws://{address}/v1/realtime", compression=None)
        ask(client)
        for _ in range(number):
            client.recv(timeout=30)
        client.socket.shutdown(socket.SHUT_RDWR)
        client.close()
    assert settled(address) == Counter()
    assert threading.active_count() <= num_threads + 4  # of those that sessions borrow, for as long as they stay idle


def test_a_session_that_ends_in_speech_is_let_go(omni, sound):
    client = Client(omni)
    assert client.next()["type"] == "session.created"
    client.send(type="input_audio_buffer.append", audio=sound(400))
    assert client.next()["type"] == "input_audio_buffer.speech_started"
    session = weakref.ref(client.session)
    client.session.close()
    assert client.session.join(timeout_s=5)
    del client
    deadline = time.monotonic() + 5
    while session() is not None and time.monotonic() < deadline:
        gc.collect()
    assert session() is None
