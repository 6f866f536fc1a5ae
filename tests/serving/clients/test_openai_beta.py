"""`client.beta.realtime` of the openai package holds a spoken conversation with the shipped model."""

from __future__ import annotations

import asyncio
import json

import pytest

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

from openai.types.beta.realtime import RealtimeServerEvent  # noqa: E402

pytestmark = [pytest.mark.service]

SESSION = {
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    "temperature": 0.0,
    "max_response_output_tokens": "inf",
}


def client_of(address, kind=openai.OpenAI):
    # The beta connection takes wss unless the address of its WebSocket is given.
    return kind(api_key="none", base_url=f"http://{address}/v1", websocket_base_url=f"ws://{address}/v1")


def as_of_openai(event):
    """The event with a name that OpenAI's beta models allow: they list those of its own models alone."""
    session = event.get("session", {})
    return {**event, "session": {**session, "model": "gpt-realtime"}} if "model" in session else event


@pytest.fixture
def until(check_official):
    """Events up to the first of a kind, each as the official package's own class takes it."""

    def read(connection, kind):
        events = []
        while not events or events[-1]["type"] != kind:
            events.append(json.loads(connection.recv_bytes()))
            check_official(RealtimeServerEvent, as_of_openai(events[-1]))
            assert events[-1]["type"] != "error", events[-1]
        return events

    return read


def joined(events, kind):
    return "".join(event["delta"] for event in events if event["type"] == kind)


def test_a_spoken_conversation(tiny_address, digit, sum_question, until):
    with client_of(tiny_address).beta.realtime.connect(model="tiny") as connection:
        until(connection, "session.created")
        connection.session.update(session=SESSION)
        held = until(connection, "session.updated")[-1]["session"]
        assert {name: held[name] for name in SESSION if name != "turn_detection"} == {
            name: value for name, value in SESSION.items() if name != "turn_detection"
        }
        for question in (digit, sum_question):
            for piece in question.pieces():
                connection.input_audio_buffer.append(audio=piece)
            events = until(connection, "response.done")
            assert events[-1]["response"]["status"] == "completed"
            said = joined(events, "response.audio_transcript.delta")
            assert question.answer in said
            assert len(joined(events, "response.audio.delta")) > 24_000 * 2 * 0.2
            kinds = [event["type"] for event in events]
            assert kinds.count("conversation.item.created") == 2 and "conversation.item.added" not in kinds


def test_text_without_turns_from_an_asynchronous_client(tiny_address, check_official):
    async def talk():
        async with client_of(tiny_address, openai.AsyncOpenAI).beta.realtime.connect(model="tiny") as connection:
            await connection.session.update(session={"modalities": ["text"], "turn_detection": None})
            content = [{"type": "input_text", "text": "I see a green circle. What colour is the circle?"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            text = ""
            async for event in connection:
                check_official(RealtimeServerEvent, as_of_openai(event.to_dict(mode="json", exclude_unset=True)))
                if event.type == "response.text.delta":
                    text += event.delta
                if event.type == "response.done":
                    return text

    assert "green" in asyncio.run(talk())


def test_errors_name_the_beta_field_and_the_session_lives_on(tiny_address, until):
    with client_of(tiny_address).beta.realtime.connect(model="tiny") as connection:
        connection.session.update(session={"turn_detection": {"type": "server_vad", "threshold": 7}}, event_id="mine")
        connection.recv()
        error = connection.recv()
        assert (error.type, error.error.param) == ("error", "session.turn_detection.threshold")
        connection.session.update(session={"modalities": ["text"]})
        assert until(connection, "session.updated")[-1]["session"]["modalities"] == ["text"]
