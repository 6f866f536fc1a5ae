"""LiveKit agents speak with the shipped model, by the realtime protocol and by Live, without a room."""

from __future__ import annotations

import asyncio
import base64

import pytest

agents = pytest.importorskip("livekit.agents", reason="LiveKit is missing; run make clients")
pytest.importorskip("livekit.plugins.openai", reason="LiveKit's plugin is missing; run make clients")

from livekit import rtc  # noqa: E402
from livekit.plugins.openai import realtime  # noqa: E402
from openai.types.beta.realtime.session import TurnDetection  # noqa: E402

pytestmark = [
    pytest.mark.service,
    # Its own affairs: sessions that it closes late, and names that it has deprecated itself.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

RATE_HZ = 24_000
WAIT_S = 60


def frames(question, *, silence_ms=2500):
    """What a room's microphone gives: 20 ms of sound at a time."""
    for piece in question.pieces(RATE_HZ, silence_ms=silence_ms):
        data = base64.b64decode(piece)
        yield rtc.AudioFrame(data=data, sample_rate=RATE_HZ, num_channels=1, samples_per_channel=len(data) // 2)


async def say(session, question):
    for frame in frames(question):
        session.push_audio(frame)
        await asyncio.sleep(0.005)


async def said(generation):
    """What an answer says, and how long its sound is."""
    async for message in generation.message_stream:
        text = "".join([str(piece) async for piece in message.text_stream])
        sound_s = sum([frame.duration async for frame in message.audio_stream])
        return text, sound_s
    raise AssertionError("the answer has no message")


def run(conversation, model):
    """Hold a conversation with a session of the model, and close both."""

    async def whole():
        session = model.session()
        try:
            return await asyncio.wait_for(conversation(session), WAIT_S)
        finally:
            await session.aclose()
            await model.aclose()

    return asyncio.run(whole())


@pytest.fixture
def model(tiny_address):
    return realtime.RealtimeModel(
        base_url=f"http://{tiny_address}/v1",
        api_key="none",
        model="tiny",
        turn_detection=TurnDetection(type="semantic_vad", eagerness="high"),
    )


def test_a_spoken_conversation(model, digit, sum_question):
    async def conversation(session):
        generations, heard, errors = asyncio.Queue(), [], []
        session.on("generation_created", generations.put_nowait)
        session.on("input_audio_transcription_completed", lambda event: heard.append(event.transcript))
        session.on("error", errors.append)
        answers = []
        for question in (digit, sum_question):
            saying = asyncio.create_task(say(session, question))
            answers.append(await said(await generations.get()))
            await saying
        while len(heard) < 2:
            await asyncio.sleep(0.02)
        assert errors == []
        return answers, heard

    answers, heard = run(conversation, model)
    for (text, sound_s), question in zip(answers, (digit, sum_question), strict=True):
        assert question.answer in text and sound_s > 0.2
    assert digit.answer in heard[0]


def test_a_reply_is_asked_for_interrupted_and_cut_to_what_was_played(model, digit):
    async def conversation(session):
        truncated, errors, generations = asyncio.Event(), [], asyncio.Queue()
        session.on("error", errors.append)
        session.on("generation_created", generations.put_nowait)

        def look(event):
            if event["type"] == "conversation.item.truncated":
                truncated.set()

        session.on("openai_server_event_received", look)
        saying = asyncio.create_task(say(session, digit))
        generation = await generations.get()
        await saying
        async for message in generation.message_stream:
            async for _ in message.audio_stream:
                pass
            session.truncate(message_id=message.message_id, modalities=["audio", "text"], audio_end_ms=100)
            break
        await truncated.wait()
        chat = agents.llm.ChatContext.empty()
        chat.add_message(role="user", content="I see a green circle. What colour is the circle?", id="item_asked")
        await session.update_chat_ctx(chat)
        reply = await session.generate_reply()
        text, _ = await said(reply)
        assert errors == []
        return text

    assert "green" in run(conversation, model)


def test_a_reply_may_be_the_first_thing_that_is_asked_for(model):
    async def conversation(session):
        errors = []
        session.on("error", errors.append)
        await session.update_instructions("You welcome people by telephone.")
        found = await said(await session.generate_reply(instructions="say seven"))
        assert errors == []
        return found

    text, sound_s = run(conversation, model)
    assert "seven" in text and sound_s > 0.2


def test_a_live_session_answers_in_speech(tiny_address, digit):
    model = realtime.GPTLiveModel(
        base_url=f"http://{tiny_address}/v1", api_key="none", model="tiny", delegation="client", voice="marin"
    )

    async def conversation(session):
        words, sound = [], []
        session.on("transcript_delta", lambda event: words.append(event.text))
        await session._update_session(instructions="answer", chat_ctx=agents.llm.ChatContext.empty())
        saying = asyncio.create_task(say(session, digit))
        async for heard in session.audio_stream:
            sound.append(heard.frame.duration)
            if sum(sound) > 0.3:
                break
        await saying
        return "".join(words)

    assert digit.answer in run(conversation, model)
