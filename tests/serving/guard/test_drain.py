"""Leaving in good order, step by step: what runs ends whole, what is silent ends at once, what is new is refused."""

from __future__ import annotations

import json
import threading

import pytest
from tests.serving.child import get
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from omniloom.serving.listening import listen
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.talk import make_server


@pytest.fixture
def start(omni):
    """Starts a server whose draining takes so long at most; gives it and its address."""
    threads = []

    def make(*, drain_s):
        listener = listen("127.0.0.1", 0)
        server = make_server(omni, model_name="fake", limits=Limits(drain_s=drain_s))
        is_up = threading.Event()
        server.on_ready = is_up.set
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        threads.append((server, thread, listener))
        assert is_up.wait(10)
        return server, thread, f"127.0.0.1:{listener.getsockname()[1]}"

    yield make
    omni.release()
    for server, thread, listener in threads:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def ask(socket, text):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))


def until(socket, kind):
    events = [json.loads(socket.recv(timeout=10))]
    while events[-1]["type"] != kind:
        events.append(json.loads(socket.recv(timeout=10)))
    return events


def close_of(socket):
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=10)
    return closed.value.rcvd


def test_an_answer_that_runs_ends_whole_and_everything_else_at_once(start, omni):
    server, thread, address = start(drain_s=20)
    omni.hold(after_words=1)
    with connect(f"ws://{address}/v1/realtime") as busy, connect(f"ws://{address}/v1/realtime") as silent:
        ask(busy, "one two three")
        until(busy, "response.output_text.delta")
        server.leave()
        error = until(silent, "error")[-1]["error"]
        assert error["type"] == "server_error" and error["code"] == "server_draining"
        assert (close_of(silent).code, get(f"http://{address}/ready")[0]) == (1012, 503)
        status, body = get(f"http://{address}/v1/models")
        assert status == 503 and json.loads(body)["error"]["code"] == "server_draining"
        omni.release()
        done = until(busy, "response.done")[-1]["response"]
        assert done["status"] == "completed" and done["output"][0]["content"][0]["text"] == "one two three"
        closed = close_of(busy)
        assert closed.code == 1012 and "connect again" in closed.reason
    thread.join(10)
    assert not thread.is_alive()


def test_an_answer_that_does_not_end_in_time_is_told_why_it_was_cut(start, omni):
    server, thread, address = start(drain_s=0.3)
    omni.hold(after_words=1)
    with connect(f"ws://{address}/v1/realtime") as busy:
        ask(busy, "one two three")
        until(busy, "response.output_text.delta")
        server.leave()
        assert until(busy, "error")[-1]["error"]["code"] == "server_draining"
        assert close_of(busy).code == 1012
    omni.release()
    thread.join(10)
    assert not thread.is_alive()
