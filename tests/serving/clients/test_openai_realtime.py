"""`client.realtime` of the openai package speaks with the shipped model, and cuts, deletes and calls in between."""

from __future__ import annotations

import asyncio
import base64
import json

import av
import numpy as np
import pytest

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

from openai.types.realtime import RealtimeServerEvent  # noqa: E402

pytestmark = [pytest.mark.service]

HANDS_FREE = {
    "type": "realtime",
    "audio": {
        "input": {
            "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            "transcription": {"model": "gpt-4o-mini-transcribe"},
        },
        "output": {"voice": "marin"},
    },
}
CALCULATOR = {
    "type": "function",
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"first": {"type": "integer"}, "second": {"type": "integer"}},
        "required": ["first", "second"],
        "additionalProperties": False,
    },
}


def client_of(address, kind=openai.OpenAI):
    return kind(api_key="none", base_url=f"http://{address}/v1")


@pytest.fixture
def until(checked):
    """Events up to the first of a kind, each as the official package's own class takes it."""

    def read(connection, kind):
        events = []
        while not events or events[-1]["type"] != kind:
            events.append(checked(connection, RealtimeServerEvent))
            assert events[-1]["type"] != "error", events[-1]
        return events

    return read


def joined(events, kind):
    return "".join(event["delta"] for event in events if event["type"] == kind)


def test_a_spoken_conversation_cut_to_what_was_played(tiny_address, digit, sum_question, until, seconds_of):
    with client_of(tiny_address).realtime.connect(model="tiny") as connection:
        until(connection, "session.created")
        connection.session.update(session=HANDS_FREE)
        until(connection, "session.updated")
        for question in (digit, sum_question):
            for piece in question.pieces():
                connection.input_audio_buffer.append(audio=piece)
            events = until(connection, "response.done")
            if not any(event["type"].endswith("transcription.completed") for event in events):
                events += until(connection, "conversation.item.input_audio_transcription.completed")
            said = joined(events, "response.output_audio_transcript.delta")
            assert question.answer in said
            sound = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
            assert seconds_of(sound) > 0.2
            heard = next(event for event in events if event["type"].endswith("transcription.completed"))
            assert heard["transcript"]
        done = next(event for event in events if event["type"] == "response.done")
        item_id = done["response"]["output"][0]["id"]
        connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=120)
        assert until(connection, "conversation.item.truncated")[-1]["audio_end_ms"] == 120
        connection.conversation.item.retrieve(item_id=item_id)
        kept = until(connection, "conversation.item.retrieved")[-1]["item"]["content"][0]
        assert kept["type"] == "output_audio" and 0 < seconds_of([kept["audio"]]) <= 0.121
        connection.conversation.item.delete(item_id=item_id)
        assert until(connection, "conversation.item.deleted")[-1]["item_id"] == item_id


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_a_telephone_is_answered_in_its_own_format(tiny_address, digit, until, format):
    codec = av.CodecContext.create({"audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}[format], "w")
    codec.sample_rate, codec.layout, codec.format = 8_000, "mono", "s16"
    samples = np.frombuffer(digit.pcm(8_000), "<i2")[np.newaxis]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = 8_000
    with client_of(tiny_address).realtime.connect(model="tiny") as connection:
        audio = {
            "input": {**HANDS_FREE["audio"]["input"], "format": {"type": format}},
            "output": {"format": {"type": format}},
        }
        connection.session.update(session={"type": "realtime", "audio": audio})
        until(connection, "session.updated")
        for packet in codec.encode(frame):
            data = bytes(packet)
            for start in range(0, len(data), 160):
                connection.input_audio_buffer.append(audio=base64.b64encode(data[start : start + 160]).decode())
        events = until(connection, "response.done")
        said = joined(events, "response.output_audio_transcript.delta")
        assert digit.answer in said
        spoken = sum(len(base64.b64decode(e["delta"])) for e in events if e["type"] == "response.output_audio.delta")
        assert spoken / 8_000 > 0.2


def test_a_function_is_called_and_its_result_answered(tiny_address, until):
    with client_of(tiny_address).realtime.connect(model="tiny") as connection:
        session = {"type": "realtime", "output_modalities": ["text"], "tools": [CALCULATOR]}
        connection.session.update(session=session)
        content = [{"type": "input_text", "text": "what is two plus three"}]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        connection.response.create(response={"tool_choice": "required"})
        events = until(connection, "response.done")
        call = next(item for item in events[-1]["response"]["output"] if item["type"] == "function_call")
        assert call["name"] == "add"
        arguments = json.loads(call["arguments"])
        assert set(arguments) == {"first", "second"} and all(isinstance(number, int) for number in arguments.values())
        assert joined(events, "response.function_call_arguments.delta") == call["arguments"]
        connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call["call_id"], "output": "five"}
        )
        connection.response.create(response={"tool_choice": "none"})
        assert until(connection, "response.done")[-1]["response"]["output"][0]["content"][0]["text"]


def test_a_spoken_conversation_with_an_asynchronous_client(tiny_address, digit, check_official):
    async def talk():
        async with client_of(tiny_address, openai.AsyncOpenAI).realtime.connect(model="tiny") as connection:
            await connection.session.update(session=HANDS_FREE)
            for piece in digit.pieces():
                await connection.input_audio_buffer.append(audio=piece)
            said = ""
            async for event in connection:
                check_official(RealtimeServerEvent, event.to_dict(mode="json", exclude_unset=True))
                if event.type == "response.output_audio_transcript.delta":
                    said += event.delta
                if event.type == "response.done":
                    return said

    assert digit.answer in asyncio.run(talk())
