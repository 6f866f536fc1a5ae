"""Who is let in over HTTP and over WebSockets, with and without keys, and what they see."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from omniloom.serving import create_app
from omniloom.serving.guard.drain import Drain
from omniloom.serving.guard.keys import KeyFile, KeyRing
from omniloom.serving.realtime.limits import Limits

REALTIME = "ws://127.0.0.1:7860/v1/realtime"


@pytest.fixture
def key_file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def key(key_file):
    return key_file.create("laptop")


@pytest.fixture
def new_web(omni):
    def make(**options):
        return TestClient(create_app(omni, model_name="fake", **options), base_url="http://127.0.0.1:7860")

    return make


@pytest.fixture
def web(new_web, key_file, key):
    return new_web(keys=KeyRing(key_file.path))


def refusal_of(web, **options):
    """The answer to a handshake that is refused."""
    with pytest.raises(WebSocketDisconnect) as refused, web.websocket_connect(REALTIME, **options):
        pass
    return refused.value


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/scene.png?of=x", "/nothing", "/static/../metrics"])
def test_without_a_key_nothing_but_the_page_and_the_probes_is_shown(web, key, path):
    refused = web.get(path)
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
    error = refused.json()["error"]
    assert error["code"] == "missing_api_key" and set(error) == {"message", "type", "param", "code"}
    assert web.get(path, headers={"Authorization": f"Bearer {key}"}).status_code != 401


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/style.css", "/health", "/ready"])
def test_the_page_and_the_probes_are_shown_to_everybody(web, path):
    assert web.get(path).status_code == 200


def test_health_tells_more_to_those_who_have_a_key(web, key):
    assert web.get("/health").json() == {"status": "ok", "needs_key": True}
    told = web.get("/health", headers={"Authorization": f"Bearer {key}"}).json()
    assert told == {"status": "ok", "needs_key": True, "model": "fake", "sessions": 0, "turns_remembered": None}


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic {key}", "{key}", "Bearer", "Bearer {key}x", "bearer  "])
def test_a_wrong_key_is_refused_on_both_ways_in(web, key, header):
    headers = {"Authorization": header.format(key=key)}
    assert web.get("/metrics", headers=headers).status_code == 401
    assert refusal_of(web, headers=headers).status_code == 401


def test_a_session_opens_with_a_key_in_either_place(web, key):
    with web.websocket_connect(REALTIME, headers={"Authorization": f"bearer {key}"}) as socket:
        assert socket.receive_json()["type"] == "session.created"
    names = ["realtime", f"openai-insecure-api-key.{key}"]
    with web.websocket_connect(REALTIME, subprotocols=names) as socket:
        assert socket.receive_json()["type"] == "session.created"
        # Only the plain name goes back: a key must not be echoed.
        assert socket.accepted_subprotocol == "realtime"
    assert refusal_of(web, subprotocols=["realtime", "openai-insecure-api-key.wrong"]).status_code == 401


def test_a_key_in_the_address_is_refused_though_it_is_right(web, key):
    refused = web.get(f"/metrics?api_key={key}", headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "api_key_in_address"
    assert key not in refused.text


def test_without_keys_everybody_is_let_in_and_a_key_does_no_harm(new_web):
    web = new_web()
    assert web.get("/metrics").status_code == 200
    with web.websocket_connect(REALTIME, headers={"Authorization": "Bearer none"}) as socket:
        assert socket.receive_json()["type"] == "session.created"


def test_a_server_with_names_answers_to_nothing_else(new_web):
    web = new_web(is_local=False, names=frozenset({"loom.example"}))
    assert web.get("/health", headers={"host": "loom.example"}).status_code == 200
    assert web.get("/health", headers={"host": "LOOM.example:443"}).status_code == 200
    refused = web.get("/health", headers={"host": "evil.example", "origin": "http://evil.example"})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "forbidden_origin"


def test_draining_refuses_what_is_new_and_says_so(new_web):
    drain = Drain()
    web = new_web(drain=drain)
    assert web.get("/ready").json() == {"status": "ready"}
    drain.begin()
    refused = web.get("/v1/models")
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "server_draining"
    assert int(refused.headers["retry-after"]) > 0
    assert web.get("/ready").status_code == 503 and web.get("/health").json()["status"] == "draining"
    assert refusal_of(web).status_code == 503


def test_requests_are_counted_by_route_and_never_by_address(new_web):
    web = new_web(limits=Limits(sessions=3))
    for path in ("/health", "/health", "/nothing/secret-7"):
        web.get(path)
    with web.websocket_connect(REALTIME) as socket:
        socket.receive_json()
        text = web.get("/metrics").text
    assert 'omniloom_requests_total{method="GET",route="/health",status="200",worker="0"} 2.0' in text
    assert 'omniloom_requests_total{method="GET",route="none",status="404",worker="0"} 1.0' in text
    assert 'omniloom_sessions_opened_total{route="/v1/realtime",worker="0"} 1.0' in text
    assert 'omniloom_sessions{worker="0"} 1.0' in text
    assert "secret-7" not in text
