"""`client.live` of the openai package holds a full-duplex conversation with the shipped model."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

from openai.types.live import ServerEvent  # noqa: E402

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
