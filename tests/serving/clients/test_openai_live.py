"""`client.live` of the openai package holds a full-duplex conversation with the shipped model."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

from openai.types.live import ServerEvent  # noqa: E402
from openai.types.responses import ResponseStreamEvent  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

pytestmark = [pytest.mark.service]


def client_of(address, kind=openai.OpenAI):
    return kind(api_key="none", base_url=f"http://{address}/v1")


def speak(connection, question, *, rate_hz=24_000, silence_ms=2500):
    """Say something at the pace of speech, in a thread of its own."""

    def run():
        start_s = time.monotonic()
        for index, piece in enumerate(question.pieces(rate_hz, silence_ms=silence_ms)):
            time.sleep(max(0.0, start_s + index * 0.02 - time.monotonic()))
            connection.session.input_audio.append(audio=piece)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def joined(events, kind):
    return "".join(event["delta"] for event in events if event["type"] == kind)


def until(connection, checked, kind):
    events = []
    while not events or events[-1]["type"] != kind:
        events.append(checked(connection, ServerEvent))
        assert events[-1]["type"] != "error", events[-1]
    return events


@pytest.mark.parametrize("rate_hz", [24_000, 16_000])
def test_a_spoken_conversation_is_closed_with_its_usage(tiny_address, digit, checked, rate_hz):
    with client_of(tiny_address).live.connect() as connection:
        audio = {"format": {"type": "audio/pcm", "rate": rate_hz}, "output": {"voice": "marin"}}
        connection.session.start(session={"model": "tiny", "audio": audio}, event_id="begin")
        started = checked(connection, ServerEvent)
        assert (started["type"], started["client_event_id"]) == ("session.started", "begin")
        speaking = speak(connection, digit, rate_hz=rate_hz)
        events = until(connection, checked, "session.usage.updated")
        speaking.join()
        connection.session.close()
        events += until(connection, checked, "session.closed")
        assert digit.answer in joined(events, "session.output_transcript.delta")
        assert digit.answer in joined(events, "session.input_transcript.delta")
        assert events[-1]["reason"] == "close_requested" and events[-1]["usage"]["seconds"] > 1


def test_speaking_stops_the_answer(tiny_address, digit, sum_question, checked):
    with client_of(tiny_address).live.connect() as connection:
        connection.session.start(session={"model": "tiny"})
        until(connection, checked, "session.started")
        speaking = speak(connection, sum_question, silence_ms=400)
        until(connection, checked, "session.output_audio.delta")
        speaking.join()
        again = speak(connection, digit)
        events = until(connection, checked, "session.usage.updated")
        while digit.answer not in joined(events, "session.output_transcript.delta"):
            events.append(checked(connection, ServerEvent))
        again.join()


def test_words_are_appended_and_sound_is_muted_from_an_asynchronous_client(tiny_address, check_official):
    async def talk():
        async with client_of(tiny_address, openai.AsyncOpenAI).live.connect() as connection:
            await connection.session.start(session={"model": "tiny"})
            text = "I see a green circle. What colour is the circle?"
            await connection.session.input_audio.mute(event_id="m")
            await connection.session.input_audio.unmute(event_id="u")
            await connection.session.thinking.append(content="the user is in a hurry", delegation_id=None, event_id="t")
            await connection.session.commentary.append(content=text, delegation_id=None, event_id="c")
            seen = []
            async for event in connection:
                check_official(ServerEvent, event.to_dict(mode="json", exclude_unset=True))
                seen.append(event)
                said = "".join(e.delta for e in seen if e.type == "session.output_transcript.delta")
                if "green" in said:
                    return [(e.type, e.client_event_id) for e in seen if getattr(e, "client_event_id", None)]

    assert asyncio.run(talk())[:4] == [
        ("session.input_audio.muted", "m"),
        ("session.input_audio.unmuted", "u"),
        ("session.thinking.appended", "t"),
        ("session.commentary.appended", "c"),
    ]


ADD = {
    "type": "function",
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"first": {"enum": [2, 3]}, "second": {"enum": [2, 3]}},
        "required": ["first", "second"],
        "additionalProperties": False,
    },
    "strict": True,
}


def delegation(tool_choice):
    return {"type": "responses", "responses": {"model": "tiny", "tools": [ADD], "tool_choice": tool_choice}}


def test_a_function_is_called_by_its_backend_and_its_result_is_spoken(tiny_address, checked):
    with client_of(tiny_address).live.connect() as connection:
        connection.session.start(session={"model": "tiny", "delegation": delegation("required")})
        until(connection, checked, "session.started")
        connection.session.commentary.append(content="what is two plus three?", delegation_id=None)
        events = until(connection, checked, "session.usage.updated")
        told = [event["event"] for event in events if event["type"] == "response.event"]
        assert [event["type"] for event in told] == [
            "response.created",
            "response.output_item.added",
            "response.output_item.done",
            "response.completed",
        ]
        for number, event in enumerate(told):
            assert TypeAdapter(ResponseStreamEvent).validate_python(event).sequence_number == number
        call = told[2]["item"]
        arguments = json.loads(call["arguments"])
        assert call["name"] == "add" and set(arguments) == {"first", "second"}
        assert not joined(events, "session.output_transcript.delta"), "a call is not spoken"
        connection.session.update(session={"delegation": delegation("none")}, event_id="now speak")
        held = until(connection, checked, "session.updated")[-1]["session"]["delegation"]["responses"]
        assert held["tool_choice"] == "none" and held["tools"][0]["parameters"] == ADD["parameters"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "five"}
        connection.response.item.create(item=output)
        connection.response.create(event_id="go on")
        events = until(connection, checked, "session.usage.updated")
        # What it makes of a call and its result nobody has taught it; that it speaks of them is the protocol's.
        assert joined(events, "session.output_transcript.delta")
        connection.session.close()
        until(connection, checked, "session.closed")
