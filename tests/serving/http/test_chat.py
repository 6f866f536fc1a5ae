"""Chat completions: the model's own replies, streamed as whole, n rows as n seeds, media in and out, errors by name."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from omniloom.data.scenes import parse_description, render
from omniloom.generation import Omni, Sampling, TokenChoice, TokenCounts, Usage
from omniloom.serving.http.wire import completion_usage
from omniloom.serving.sounds import read_sound
from omniloom.stream.parts import Image

QUESTION = "I see a green circle. What colour is the circle?"
RAMBLE = "xyzzy plugh, what of it"
"""The model has not learned to answer this, so that seeds differ."""
SAY = 'say "seven apple"'


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def ask(api: TestClient, *messages: dict[str, Any], **fields: Any) -> Any:
    return api.post("/v1/chat/completions", json={"model": "tiny", "messages": list(messages), **fields})


def chunks_of(response: Any) -> list[dict[str, Any]]:
    lines = [line for line in response.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@pytest.fixture
def circle() -> Image:
    scene = parse_description("big red circle top left")
    assert scene is not None
    return render(scene)


def test_the_text_is_the_models_reply(api: TestClient, tiny: Omni) -> None:
    sampled = {"temperature": 1.0, "top_p": 0.9, "seed": 5}
    for fields, sampling in (({}, Sampling()), (sampled, Sampling(temperature=1.0, top_p=0.9))):
        expected = tiny.reply(QUESTION, sampling=sampling, seed=5)
        answer = ask(api, user(QUESTION), **fields).json()
        assert answer["choices"][0]["message"]["content"] == expected.text
        assert answer["choices"][0]["finish_reason"] == expected.finish_reason
        assert answer["usage"]["prompt_tokens"] == expected.usage.prompt_tokens
        assert answer["usage"]["completion_tokens"] == expected.usage.reply_tokens


def test_what_was_read_before_is_told_of_the_prompt_alone() -> None:
    usages = [Usage(prompt=TokenCounts(text=12), cached=TokenCounts(text=cached), text_tokens=3) for cached in (5, 9)]
    told = completion_usage(usages)
    assert (told.prompt_tokens, told.prompt_tokens_details.cached_tokens, told.completion_tokens) == (12, 5, 6)


def test_rows_are_the_replies_of_their_seeds(api: TestClient) -> None:
    fields = {"temperature": 2.0, "max_tokens": 24}
    rows = ask(api, user(RAMBLE), n=3, seed=7, **fields).json()["choices"]
    alone = [ask(api, user(RAMBLE), seed=7 + row, **fields).json()["choices"][0] for row in range(3)]
    assert [row["message"]["content"] for row in rows] == [row["message"]["content"] for row in alone]
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert len({row["message"]["content"] for row in rows}) > 1


@pytest.mark.parametrize("n", [1, 3])
def test_streamed_text_is_the_whole(api: TestClient, n: int) -> None:
    fields = {"temperature": 2.0, "max_tokens": 24, "seed": 7, "n": n}
    whole = ask(api, user(RAMBLE), **fields).json()
    chunks = chunks_of(ask(api, user(RAMBLE), stream=True, stream_options={"include_usage": True}, **fields))
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == whole["usage"]
    for choice in whole["choices"]:
        own = [piece for chunk in chunks for piece in chunk["choices"] if piece["index"] == choice["index"]]
        assert own[0]["delta"] == {"role": "assistant", "content": ""}
        assert "".join(piece["delta"].get("content") or "" for piece in own) == choice["message"]["content"]
        assert [piece["finish_reason"] for piece in own if piece["finish_reason"]] == [choice["finish_reason"]]


def test_speech_is_the_models_and_streams_as_the_whole(api: TestClient, tiny: Omni) -> None:
    expected = tiny.reply(SAY, "audio")
    fields = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
    message = ask(api, user(SAY), **fields).json()["choices"][0]["message"]
    assert message["content"] is None and message["audio"]["transcript"] == expected.text == "seven apple"
    whole = base64.b64decode(message["audio"]["data"])
    assert expected.audio is not None
    assert len(whole) / 2 / 24_000 == pytest.approx(expected.audio.duration_s, abs=0.001)
    sounds = [
        piece["delta"]["audio"]
        for chunk in chunks_of(ask(api, user(SAY), stream=True, **fields))
        for piece in chunk["choices"]
        if piece["delta"].get("audio")
    ]
    assert len({sound["id"] for sound in sounds}) == 1
    assert "".join(sound.get("transcript", "") for sound in sounds) == "seven apple"
    streamed = b"".join(base64.b64decode(sound.get("data", "")) for sound in sounds)
    # The same voice decodes whole and in pieces; the codec's last bits differ between the two.
    np.testing.assert_allclose(np.frombuffer(streamed, "<i2"), np.frombuffer(whole, "<i2"), atol=2)
    assert set(sounds[-1]) == {"id", "expires_at"}


@pytest.mark.parametrize("format", ["wav", "aac", "mp3", "flac", "opus"])
def test_speech_comes_in_every_format(api: TestClient, tiny: Omni, format: str) -> None:
    fields = {"modalities": ["text", "audio"], "audio": {"voice": "loom", "format": format}}
    data = base64.b64decode(ask(api, user(SAY), **fields).json()["choices"][0]["message"]["audio"]["data"])
    said = read_sound(data, rate_hz=16_000, max_s=60)
    expected = tiny.reply(SAY, "audio").audio
    assert expected is not None
    # Codecs pad a frame or two at either end.
    assert said.size / 16_000 == pytest.approx(expected.duration_s, abs=0.15)


def test_a_spoken_reply_is_remembered_by_its_id(api: TestClient, tiny: Omni) -> None:
    fields = {"modalities": ["text", "audio"], "audio": {"voice": "loom", "format": "mp3"}}
    message = ask(api, user(SAY), **fields).json()["choices"][0]["message"]
    conversation = tiny.conversation()
    conversation.add(SAY)
    list(conversation.reply("audio"))
    conversation.add("What is 2 plus 3?")
    expected = list(conversation.reply())[-1].reply.text  # type: ignore[union-attr]
    for earlier in (message, {"role": "assistant", "audio": {"id": message["audio"]["id"]}}):
        answer = ask(api, user(SAY), earlier, user("What is 2 plus 3?")).json()
        assert answer["choices"][0]["message"]["content"] == expected
    unknown = ask(api, user(SAY), {"role": "assistant", "audio": {"id": "audio_none"}}, user("And?"))
    assert unknown.status_code == 404 and unknown.json()["error"]["param"] == "messages.1.audio.id"


def test_pictures_sounds_and_films_are_taken(api: TestClient, tiny: Omni, circle: Image) -> None:
    png = circle.to_bytes("PNG")
    question = "What colour is it?"
    expected = tiny.reply([question, circle]).text
    assert expected == "red"
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_uri(png, "image/png")}},
        {"type": "file", "file": {"file_data": data_uri(png, "image/png"), "filename": "circle.png"}},
    ]
    for part in parts:
        answer = ask(api, user(text(question), part)).json()
        assert answer["choices"][0]["message"]["content"] == expected
    said = tiny.reply(SAY, "audio").audio
    assert said is not None
    for format in ("WAV", "MP3"):
        sound = {"data": base64.b64encode(said.to_bytes(format)).decode(), "format": format.lower()}
        answer = ask(api, user(text("Write what you hear."), {"type": "input_audio", "input_audio": sound})).json()
        assert answer["choices"][0]["message"]["content"] == "seven apple"


@pytest.mark.parametrize("temperature", [None, 4.0])
def test_a_picture_is_drawn(api: TestClient, tiny: Omni, temperature: float | None) -> None:
    sampling = Sampling() if temperature is None else Sampling(image=TokenChoice(temperature=temperature))
    expected = tiny.reply("draw a small blue star", "image", sampling=sampling, seed=3)
    assert expected.image is not None
    fields = {"modalities": ["text", "image"], "image_temperature": temperature, "seed": 3}
    message = ask(api, user("draw a small blue star"), **fields).json()["choices"][0]["message"]
    uri = message["images"][0]["image_url"]["url"]
    assert message["content"] == expected.text
    drawn = Image.open(base64.b64decode(uri.partition(",")[2]))
    np.testing.assert_array_equal(drawn.pixels.numpy(), expected.image.pixels.numpy())
    chunks = chunks_of(ask(api, user("draw a small blue star"), stream=True, **fields))
    deltas = [piece["delta"] for chunk in chunks for piece in chunk["choices"]]
    assert [delta["images"][0]["image_url"]["url"] for delta in deltas if "images" in delta] == [uri]


def test_history_is_kept_in_mind_and_system_texts_are_told_unused(api: TestClient, tiny: Omni) -> None:
    response = ask(api, {"role": "system", "content": "Answer in French."}, user(QUESTION))
    assert response.headers["omniloom-unused"] == "messages.0"
    assert response.json()["choices"][0]["message"]["content"] == tiny.reply(QUESTION).text
    conversation = tiny.conversation()
    conversation.add(QUESTION)
    list(conversation.reply())
    conversation.add("And its shape?")
    expected = list(conversation.reply())[-1].reply.text  # type: ignore[union-attr]
    turns = [user(QUESTION), {"role": "assistant", "content": "green"}, user("And its shape?")]
    assert ask(api, *turns).json()["choices"][0]["message"]["content"] == expected


REFUSED: list[tuple[dict[str, Any], int, str | None]] = [
    ({"model": "gpt-4o"}, 404, "model"),
    ({"messages": []}, 400, "messages"),
    ({"messages": [{"role": "user", "content": " "}]}, 400, "messages.0.content"),
    ({"messages": [{"role": "owner", "content": "a"}]}, 400, "messages.0"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, 400, "messages.0.content.0.text"),
    ({"messages": [{"role": "user", "content": "a" * 4_001}]}, 400, "messages.0.content"),
    ({"messages": [{"role": "assistant", "content": "a"}]}, 400, "messages"),
    ({"messages": [{"role": "system", "content": "a"}]}, 400, "messages"),
    ({"temperature": 3}, 400, "temperature"),
    ({"temperature": "1"}, 400, "temperature"),
    ({"modalities": ["text", "image"], "image_temperature": 11}, 400, "image_temperature"),
    ({"image_temperature": 1.0}, 400, "image_temperature"),
    ({"n": 0}, 400, "n"),
    ({"logit_bias": {"1": 1}}, 400, "logit_bias"),
    ({"store": True}, 400, "store"),
    ({"web_search_options": {}}, 400, "web_search_options"),
    ({"audio": {"voice": "loom", "format": "wav"}}, 400, "audio"),
    ({"modalities": ["text", "audio"]}, 400, "audio"),
    ({"modalities": ["audio"], "audio": {"voice": "darth", "format": "wav"}}, 400, "audio.voice"),
    ({"stream_options": {"include_usage": True}}, 400, "stream_options"),
]


@pytest.mark.parametrize(("fields", "status", "param"), REFUSED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_honoured_is_refused_by_name(
    api: TestClient, fields: dict[str, Any], status: int, param: str | None, stream: bool
) -> None:
    if stream and "stream_options" in fields:
        return
    response = api.post(
        "/v1/chat/completions", json={"model": "tiny", "messages": [user(QUESTION)], "stream": stream, **fields}
    )
    error = response.json()["error"]
    assert response.status_code == status and error["param"] == param
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}, "image_url.url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "input_audio.data"),
        ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, "video_url.url"),
        ({"type": "file", "file": {"file_data": "AAAA"}}, "file.file_data"),
    ],
)
def test_broken_media_are_refused_by_name(api: TestClient, part: dict[str, Any], field: str) -> None:
    response = ask(api, user(text("What is this?"), part))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == f"messages.0.content.1.{field}"


def test_other_bodies_and_paths_get_the_same_shape(api: TestClient) -> None:
    path = "/v1/chat/completions"
    for response, status in (
        (api.post(path, content=b"{", headers={"content-type": "application/json"}), 400),
        (api.post(path, json=[1]), 400),
        (api.post(path, json={}), 400),
        (api.get(path), 405),
        (api.get("/v1/nothing"), 404),
        (api.get("/v1/models/other"), 404),
    ):
        assert response.status_code == status, response.text
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_the_official_client_talks_and_hears(client: openai.OpenAI, tiny: Omni) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "omniloom"
    said = (
        client.chat.completions.create(
            model="tiny",
            modalities=["text", "audio"],
            audio={"voice": "alloy", "format": "wav"},
            messages=[{"role": "user", "content": SAY}],
        )
        .choices[0]
        .message
    )
    assert said.audio is not None and said.audio.transcript == "seven apple"
    heard = client.chat.completions.create(
        model="tiny",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Write what you hear."},
                    {"type": "input_audio", "input_audio": {"data": said.audio.data, "format": "wav"}},
                ],
            }
        ],
    )
    assert heard.choices[0].message.content == "seven apple"
    with pytest.raises(openai.NotFoundError, match="no model 'x'"):
        client.chat.completions.create(model="x", messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(model="tiny", temperature=9, messages=[{"role": "user", "content": "hello"}])


async def _asynchronously(address: str) -> str:
    async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_the_official_asynchronous_client_streams(address: str, tiny: Omni) -> None:
    assert asyncio.run(_asynchronously(address)) == tiny.reply(QUESTION).text


def test_a_long_conversation_is_refused_before_the_stream_begins(api: TestClient) -> None:
    turns = [message for _ in range(60) for message in (user("a b c " * 30), {"role": "assistant", "content": "a"})]
    response = ask(api, *turns, user("and?"), stream=True)
    assert response.status_code == 400 and "context" in response.json()["error"]["message"]
