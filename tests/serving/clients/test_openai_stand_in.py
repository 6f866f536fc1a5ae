"""The official client, unchanged, against a real server on loopback."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image as PillowImage

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

from omniloom.serving.realtime.media import decode_pcm  # noqa: E402

pytestmark = [pytest.mark.service]


def message(*content):
    return {"type": "message", "role": "user", "content": list(content)}


@pytest.fixture
def connection(server):
    client = openai.OpenAI(base_url=f"http://{server}/v1", api_key="none")
    with client.realtime.connect(model="fake") as connection:
        assert connection.recv().type == "session.created"
        yield connection


def until_done(connection):
    events = []
    for event in connection:
        events.append(event)
        if event.type == "response.done":
            return events


def test_text_speech_and_a_picture(connection):
    connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
    assert connection.recv().session.output_modalities == ["text"]
    connection.conversation.item.create(item=message({"type": "input_text", "text": "two words"}))
    connection.response.create()
    events = until_done(connection)
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "two words"
    assert events[-1].response.status == "completed" and events[-1].response.usage.total_tokens == 9

    connection.conversation.item.create(item=message({"type": "input_text", "text": "two words"}))
    connection.response.create(response={"output_modalities": ["audio"]})
    events = until_done(connection)
    sound = [decode_pcm(e.delta, param="d") for e in events if e.type == "response.output_audio.delta"]
    assert np.concatenate(sound).size == 2 * 240 * 24
    assert events[-1].response.output[0].content[0].transcript == "two words"

    connection.conversation.item.create(item=message({"type": "input_text", "text": "big blue star top left"}))
    connection.response.create(response={"output_modalities": ["image"]})
    events = until_done(connection)
    done = next(e for e in events if e.type == "response.output_image.done")
    assert PillowImage.open(io.BytesIO(base64.b64decode(done.image))).size == (64, 64)


def test_spoken_turns_are_detected_answered_and_interrupted(connection, sound, omni):
    connection.session.update(session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert connection.recv().type == "session.updated"
    connection.input_audio_buffer.append(audio=sound(400))
    connection.input_audio_buffer.commit()
    connection.response.create(response={"output_modalities": ["text"]})
    events = until_done(connection)
    assert events[0].type == "input_audio_buffer.committed"
    assert events[-1].response.output[0].content[0].text == "heard 400 ms"

    omni.hold(after_words=1)
    connection.conversation.item.create(item=message({"type": "input_text", "text": "one two three"}))
    connection.response.create()
    for event in connection:
        if event.type == "response.output_audio.delta":
            break
    connection.response.cancel()
    omni.release()
    details = until_done(connection)[-1].response.status_details
    assert (details.type, details.reason) == ("cancelled", "client_cancelled")


def test_an_error_leaves_the_session_alive(connection):
    connection.response.cancel()
    event = connection.recv()
    assert event.type == "error" and event.error.code == "response_cancel_not_active"
    connection.conversation.item.create(item=message({"type": "input_text", "text": "still here"}))
    connection.response.create(response={"output_modalities": ["text"]})
    assert until_done(connection)[-1].response.output[0].content[0].text == "still here"


def test_sessions_share_the_model_fairly_and_leave_nothing_behind(server, omni):
    async def talk_to(number):
        client = openai.AsyncOpenAI(base_url=f"http://{server}/v1", api_key="none")
        async with client.realtime.connect(model="fake") as connection:
            words = f"client {number}"
            await connection.conversation.item.create(item=message({"type": "input_text", "text": words}))
            await connection.response.create(response={"output_modalities": ["text"]})
            async for event in connection:
                if event.type == "response.done":
                    return event.response.output[0].content[0].text

    async def all_of_them():
        return await asyncio.gather(*(talk_to(number) for number in range(8)))

    assert asyncio.run(all_of_them()) == [f"client {number}" for number in range(8)]


def test_a_client_that_leaves_in_the_middle_of_an_answer_leaves_nothing_behind(server, omni):
    before = threading.active_count()
    omni.hold(after_words=1)
    client = openai.OpenAI(base_url=f"http://{server}/v1", api_key="none")
    with client.realtime.connect(model="fake") as connection:
        connection.conversation.item.create(item=message({"type": "input_text", "text": "one two three"}))
        connection.response.create()
        for event in connection:
            if event.type == "response.output_audio.delta":
                break
    omni.release()
    for _ in range(100):
        with urllib.request.urlopen(f"http://{server}/health") as answer:
            num_sessions = json.load(answer)["sessions"]
        if num_sessions == 0:
            break
        time.sleep(0.05)
    assert num_sessions == 0
    # Besides the threads that sessions borrow there is the event loop's own pool, and no reader without a socket.
    left = [thread.name for thread in threading.enumerate() if thread.name != "omniloom-session"]
    assert "omniloom-reader" not in left and len(left) <= before + 6
