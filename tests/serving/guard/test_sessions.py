"""How many sessions one client may hold, and how long: no more than its share, and no longer than its key is good."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from omniloom.serving import create_app, socket
from omniloom.serving.guard import keys as keys_module
from omniloom.serving.guard.keys import KeyFile, KeyRing
from omniloom.serving.realtime.limits import Limits

PATHS = {"realtime": "/v1/realtime", "live": "/v1/live/sessions"}


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    for module in (keys_module, socket):
        monkeypatch.setattr(module, "CHECK_EVERY_S", 0.02)
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def new_web(omni):
    def make(address="127.0.0.1", **options):
        app = create_app(omni, model_name="fake", **options)
        return TestClient(app, base_url="http://127.0.0.1:7860", client=(address, 50_000))

    return make


def opened(web, dialect="realtime", *, key=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return web.websocket_connect(f"ws://127.0.0.1:7860{PATHS[dialect]}", headers=headers)


def greeted(client, dialect):
    if dialect == "live":
        client.send_json({"type": "session.start", "session": {"model": "fake"}})
    assert client.receive_json()["type"] in ("session.created", "session.started")


def until(client, kind):
    while (event := client.receive_json())["type"] != kind:
        pass
    return event


def asks(client):
    content = [{"type": "input_text", "text": "still here"}]
    item = {"type": "message", "role": "user", "content": content}
    client.send_json({"type": "conversation.item.create", "item": item})
    client.send_json({"type": "response.create", "response": {"output_modalities": ["text"]}})


@pytest.mark.parametrize("dialect", PATHS)
def test_a_revoked_key_ends_its_open_sessions_and_no_other(new_web, key_file, dialect):
    mine, other = key_file.create("mine"), key_file.create("other")
    with new_web(keys=KeyRing(key_file.path)) as web, opened(web, key=other) as beside:
        greeted(beside, "realtime")
        with opened(web, dialect, key=mine) as client:
            greeted(client, dialect)
            key_file.revoke(mine.split("_")[1])
            assert until(client, "error")["error"]["code"] == "invalid_api_key"
            with pytest.raises(WebSocketDisconnect) as closed:
                client.receive_json()
            assert closed.value.code == socket.UNAUTHORIZED
        asks(beside)
        assert until(beside, "response.done")["response"]["status"] == "completed"


def test_a_key_revoked_in_the_middle_of_an_answer_ends_the_answer(new_web, key_file, omni):
    key = key_file.create("mine")
    key_file.create("other")
    omni.hold(after_words=1)
    with new_web(keys=KeyRing(key_file.path)) as web, opened(web, key=key) as client:
        greeted(client, "realtime")
        asks(client)
        until(client, "response.output_text.delta")
        key_file.revoke(key.split("_")[1])
        assert until(client, "error")["error"]["code"] == "invalid_api_key"
        omni.release()
        with pytest.raises(WebSocketDisconnect):
            client.receive_json()


@pytest.mark.parametrize("dialect", PATHS)
def test_one_client_has_no_more_than_its_share_of_sessions(new_web, key_file, dialect):
    mine, other = key_file.create("mine"), key_file.create("other")
    limits = Limits(sessions=3, sessions_per_client=2)
    with new_web(keys=KeyRing(key_file.path), limits=limits) as web, opened(web, key=mine):
        with opened(web, dialect, key=mine) as second:
            greeted(second, dialect)
            refused_with(web, dialect, mine, "2 sessions of this client")
            with opened(web, dialect, key=other) as third:
                greeted(third, dialect)
                refused_with(web, dialect, other, "3 sessions run already")
        with opened(web, dialect, key=mine) as again:
            greeted(again, dialect)


def refused_with(web, dialect, key, words):
    with opened(web, dialect, key=key) as client:
        error = client.receive_json()["error"]
        assert error["code"] == "too_many_sessions" and words in error["message"]
        with pytest.raises(WebSocketDisconnect) as closed:
            client.receive_json()
        assert closed.value.code == socket.TRY_AGAIN_LATER


def test_without_keys_addresses_are_the_clients_and_a_network_of_ipv6_is_one(omni):
    app = create_app(omni, model_name="fake", limits=Limits(sessions_per_client=1))

    def web_of(address):
        return TestClient(app, base_url="http://127.0.0.1:7860", client=(address, 50_000))

    with opened(web_of("2001:db8::1")) as first:
        greeted(first, "realtime")
        refused_with(web_of("2001:db8::2"), "realtime", None, "of this client")
        with opened(web_of("2001:db8:0:1::1")) as second, opened(web_of("192.0.2.1")) as third:
            greeted(second, "realtime")
            greeted(third, "realtime")


def test_the_error_is_one_event_of_the_protocol(new_web):
    with new_web(limits=Limits(sessions_per_client=1)) as web, opened(web), opened(web) as refused:
        told = json.loads(refused.receive_text())
        assert told["type"] == "error" and told["error"]["type"] == "invalid_request_error"
