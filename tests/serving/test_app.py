"""The web application as a client sees it: the socket, the page's files, sample pictures, and who is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image as PillowImage
from starlette.websockets import WebSocketDisconnect
from tests.generation.untrained import untrained_omni

from omniloom.data.scenes import parse_description, render
from omniloom.serving import create_app
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import encode_pcm, to_audio
from omniloom.stream.parts import Image


@pytest.fixture
def web(omni):
    return TestClient(create_app(omni, model_name="fake", limits=Limits(sessions=1)), base_url="http://127.0.0.1:7860")


def until(socket, kind):
    events = [socket.receive_json()]
    while events[-1]["type"] != kind:
        events.append(socket.receive_json())
    return events


def ask(socket, content, modalities):
    item = {"type": "message", "role": "user", "content": content}
    socket.send_json({"type": "conversation.item.create", "item": item})
    socket.send_json({"type": "response.create", "response": {"output_modalities": modalities}})
    return until(socket, "response.done")


def test_a_question_over_the_socket(web):
    with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime?model=fake") as socket:
        session = socket.receive_json()["session"]
        assert session["model"] == "fake" and session["output_modalities"] == ["audio"]
        socket.send_text("nonsense")
        assert socket.receive_json()["error"]["code"] == "invalid_json"
        events = ask(socket, [{"type": "input_text", "text": "two words"}], ["text"])
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "two words"
    known = {"model": "fake", "sessions": 0, "turns_remembered": None}
    assert web.get("/health").json() == {"status": "ok", "needs_key": False, **known}


def test_one_session_too_many_and_an_unknown_model_are_told_why(web):
    with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime") as first:
        first.receive_json()
        with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime") as second:
            assert second.receive_json()["error"]["code"] == "too_many_sessions"
    with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime?model=other") as socket:
        assert socket.receive_json()["error"]["code"] == "model_not_found"
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/style.css", "/world.json", "/health"])
def test_the_page_and_its_files_are_served_with_a_strict_policy(web, path):
    response = web.get(path)
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]


def test_the_page_asks_for_nothing_from_elsewhere(web):
    for name in ("/", "/static/style.css", "/static/app.js", "/static/examples.js", "/static/palette.js"):
        for line in web.get(name).text.splitlines():
            assert "http" not in line.replace("http://www.w3.org/", "").replace("https:", "") or "//" not in line, line


def test_a_sample_picture_is_the_scene_that_its_words_describe(web):
    words = "big red circle top left and small blue ring bottom right"
    picture = PillowImage.open(io.BytesIO(web.get("/scene.png", params={"of": words}).content))
    expected = render(parse_description(words)).pixels.permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(np.asarray(picture), expected)
    jittered = web.get("/scene.png", params={"of": words, "seed": 1}).content
    assert jittered == web.get("/scene.png", params={"of": words, "seed": 1}).content
    assert jittered != web.get("/scene.png", params={"of": words, "seed": 2}).content
    assert web.get("/scene.png", params={"of": "a cat"}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "is_allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:7860"}, True),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"host": "evil.example:7860"}, False),
        ({"host": "localhost:7860"}, True),
    ],
)
def test_only_this_machines_own_pages_may_use_a_local_server(web, headers, is_allowed):
    assert (web.get("/health", headers=headers).status_code == 200) is is_allowed
    if is_allowed:
        with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime", headers=headers) as socket:
            assert socket.receive_json()["type"] == "session.created"
    else:
        with (
            pytest.raises(WebSocketDisconnect),
            web.websocket_connect("ws://127.0.0.1:7860/v1/realtime", headers=headers),
        ):
            pass


def test_a_server_open_to_others_still_refuses_foreign_pages(omni):
    web = TestClient(create_app(omni, model_name="fake", is_local=False), base_url="http://my.example")
    assert web.get("/health").status_code == 200
    assert web.get("/health", headers={"origin": "http://my.example"}).status_code == 200
    assert web.get("/health", headers={"origin": "http://127.0.0.1:7860"}).status_code == 403


def test_a_real_model_answers_every_kind_of_input_in_every_form():
    """Random weights: what it says is nonsense, that it says it is not."""
    omni = untrained_omni()
    web = TestClient(create_app(omni, model_name="untrained", turns_remembered=0), base_url="http://localhost")
    sound = encode_pcm(np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32))
    image = Image(torch.zeros((3, 64, 64), dtype=torch.uint8))
    picture = f"data:image/png;base64,{base64.b64encode(image.to_bytes()).decode()}"
    contents = [
        {"type": "input_text", "text": "say seven"},
        {"type": "input_audio", "audio": sound},
        {"type": "input_image", "image_url": picture},
    ]
    with web.websocket_connect("ws://127.0.0.1:7860/v1/realtime") as socket:
        socket.receive_json()
        for content in contents:
            for form, last in (("text", "output_text"), ("audio", "output_audio"), ("image", "output_image")):
                events = ask(socket, [content], [form])
                response = events[-1]["response"]
                # Random weights seldom end a reply by themselves; then its length limit does.
                assert response["status"] in ("completed", "incomplete"), response
                assert f"response.{last}.done" in [event["type"] for event in events]
                assert response["usage"]["output_tokens"] > 0 and response["usage"]["input_tokens"] > 0
                assert not [event for event in events if event["type"] == "error"]


def test_speech_given_while_it_is_spoken_is_the_same_to_a_real_model_as_given_at_once():
    omni = untrained_omni()
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    at_once, in_pieces = omni.conversation(), omni.conversation()
    at_once.hear(to_audio(sound))
    for start in range(0, len(sound), 512):
        in_pieces.hear(to_audio(sound[start : start + 512]))
    replies = [[event for event in c.reply(want="text")][-1].reply.ids for c in (at_once, in_pieces)]
    assert replies[0] == replies[1]
