"""The official asynchronous client at every endpoint, all at once: what each gets is what it would get alone."""

from __future__ import annotations

import asyncio
import base64

import openai

from omniloom.generation import Omni

QUESTION = "I see a green circle. What colour is the circle?"


async def _chat(client: openai.AsyncOpenAI) -> str:
    stream = await client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def _respond(client: openai.AsyncOpenAI) -> str:
    stream = await client.responses.create(model="tiny", input=QUESTION, stream=True)
    return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])


async def _echo(client: openai.AsyncOpenAI) -> str:
    async with client.audio.speech.with_streaming_response.create(
        model="tiny", voice="alloy", input="seven apple", response_format="wav"
    ) as response:
        said = await response.read()
    stream = await client.audio.transcriptions.create(model="tiny", file=("said.wav", said), stream=True)
    return "".join([event.delta async for event in stream if event.type == "transcript.text.delta"])


async def _draw(client: openai.AsyncOpenAI) -> str:
    drawn = await client.images.generate(model="tiny", prompt="draw a big red circle")
    assert drawn.data is not None
    png = base64.b64decode(drawn.data[0].b64_json or "")
    changed = await client.images.edit(model="tiny", image=("circle.png", png), prompt="make it blue")
    assert changed.data is not None
    return changed.data[0].revised_prompt or ""


async def _all(address: str) -> list[list[str]]:
    async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:
        assert [model.id async for model in client.models.list()] == ["tiny"]
        kinds = (_chat, _respond, _echo, _draw)
        return await asyncio.gather(*(asyncio.gather(*(ask(client) for _ in range(3))) for ask in kinds))


def test_every_endpoint_at_once(address: str, tiny: Omni) -> None:
    chats, responses, echoes, drawings = asyncio.run(_all(address))
    assert set(chats) == set(responses) == {tiny.reply(QUESTION).text}
    assert set(echoes) == {"seven apple"}
    assert set(drawings) == {"big blue circle top left"}
