"""Speech and transcriptions: what one endpoint says, the project's listener and the other endpoint hear."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, get_args

import numpy as np
import openai
import pytest
import torch
from starlette.testclient import TestClient

from omniloom.data.speech.listener import Listener
from omniloom.generation import Omni
from omniloom.serving.sounds import SoundFormat, read_sound, write_sound
from omniloom.stream.parts import Audio

SAID = "seven apple river"


def speak(api: TestClient, text: str = SAID, **fields: Any) -> Any:
    return api.post("/v1/audio/speech", json={"model": "tiny", "voice": "alloy", "input": text, **fields})


def samples_of(data: bytes, format: str) -> np.ndarray:
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32767
    return read_sound(data, rate_hz=24_000, max_s=60)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener.load()


@pytest.mark.parametrize("format", get_args(SoundFormat))
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_every_format_is_heard(api: TestClient, listener: Listener, format: str, stream_format: str) -> None:
    response = speak(api, response_format=format, stream_format=stream_format)
    data = response.content
    if stream_format == "sse":
        events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
        assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
        assert events[-1]["type"] == "speech.audio.done" and events[-1]["usage"]["output_tokens"] > 0
        data = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert listener.transcribe(Audio(torch.from_numpy(samples_of(data, format).copy()), 24_000)) == SAID


@pytest.mark.parametrize("voice", ["loom-low", "loom-high"])
@pytest.mark.parametrize("speed", [0.75, 1.0, 1.5])
def test_voices_and_speeds_say_it_too(api: TestClient, voice: str, speed: float) -> None:
    own = samples_of(speak(api, response_format="pcm").content, "pcm")
    found = samples_of(speak(api, response_format="pcm", voice={"id": voice}, speed=speed).content, "pcm")
    # The tempo's windows keep back or add up to 64 ms at either end.
    assert found.size / 24_000 == pytest.approx(own.size / 24_000 / speed, abs=0.2)


def test_instructions_are_told_unused(api: TestClient) -> None:
    assert speak(api, "seven", instructions="whisper").headers["omniloom-unused"] == "instructions"
    assert "omniloom-unused" not in speak(api, "seven").headers


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "darth"}, "voice"),
        ({"input": ""}, "input"),
        ({"input": "…"}, "input"),
        ({"input": "a" * 4_097}, "input"),
        ({"speed": 9}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"lyrics": "la"}, "lyrics"),
    ],
)
def test_wrong_speech_is_refused_by_name(api: TestClient, fields: dict[str, Any], param: str) -> None:
    response = speak(api, **fields)
    assert response.status_code == 400 and response.json()["error"]["param"] == param


@pytest.fixture(scope="module")
def talk(tiny: Omni) -> bytes:
    """Three phrases with a second of silence between them, as WAV."""
    rate_hz, pieces = 16_000, []
    for phrase in ("seven apple", "river window", "tiger lemon"):
        said = tiny.reply(f'say "{phrase}"', "audio").audio
        assert said is not None
        pieces += [np.zeros(rate_hz, np.float32), said.samples.numpy()]
    return write_sound(np.concatenate([*pieces, np.zeros(rate_hz, np.float32)]), rate_hz, "wav")


def transcribe(api: TestClient, data: bytes, **fields: Any) -> Any:
    return api.post("/v1/audio/transcriptions", data={"model": "tiny", **fields}, files={"file": ("talk.wav", data)})


WORDS = "seven apple river window tiger lemon"


def test_a_long_sound_is_cut_and_joined(api: TestClient, talk: bytes) -> None:
    answer = transcribe(api, talk, response_format="verbose_json").json()
    assert answer["text"] == WORDS
    assert [segment["text"] for segment in answer["segments"]] == ["seven apple", "river window", "tiger lemon"]
    edges = [edge for segment in answer["segments"] for edge in (segment["start"], segment["end"])]
    assert edges == sorted(edges) and edges[-1] <= answer["duration"]
    assert answer["segments"][0]["start"] == pytest.approx(1.0, abs=0.15)  # windows of 32 ms, and a word's soft edges
    assert all(segment["avg_logprob"] <= 0 and segment["no_speech_prob"] < 0.5 for segment in answer["segments"])


def test_every_format_holds_the_same_words(api: TestClient, talk: bytes) -> None:
    assert transcribe(api, talk).json()["text"] == WORDS
    assert transcribe(api, talk, response_format="text").text == f"{WORDS}\n"
    clock = r"\d\d:\d\d:\d\d{}\d\d\d"
    for format, head, mark in (("srt", "1\n", ","), ("vtt", "WEBVTT\n\n", r"\.")):
        subtitles = transcribe(api, talk, response_format=format).text
        assert subtitles.startswith(head)
        times = re.findall(f"{clock.format(mark)} --> {clock.format(mark)}\n(.+)\n", subtitles)
        assert times == ["seven apple", "river window", "tiger lemon"]


def test_streamed_text_is_the_whole(api: TestClient, talk: bytes) -> None:
    whole = transcribe(api, talk, **{"include[]": "logprobs"}).json()
    response = transcribe(api, talk, stream="true", **{"include[]": "logprobs"})
    events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"] == whole["text"]
    assert events[-1]["usage"] == whole["usage"] and events[-1]["logprobs"] == whole["logprobs"]
    assert b"".join(bytes(one["bytes"]) for one in whole["logprobs"]).decode().replace(" ", "") == WORDS.replace(
        " ", ""
    )


def test_silence_says_nothing(api: TestClient) -> None:
    answer = transcribe(api, write_sound(np.zeros(48_000, np.float32), 24_000, "flac")).json()
    assert answer["text"] == "" and answer["usage"]["total_tokens"] == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "de"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
        ({"stream": "true", "response_format": "srt"}, "response_format"),
        ({"chunking_strategy": "{"}, "chunking_strategy"),
        ({"chunking_strategy[threshold]": "7"}, "chunking_strategy"),
        ({"temperature": "9"}, "temperature"),
        ({"keywords[]": "a"}, "keywords[]"),
        ({"model": "whisper-1"}, "model"),
    ],
)
def test_wrong_transcriptions_are_refused_by_name(
    api: TestClient, talk: bytes, fields: dict[str, str], param: str
) -> None:
    response = transcribe(api, talk, **fields)
    assert response.status_code in (400, 404) and response.json()["error"]["param"] == param


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"RIFF0000WAVEfmt "])
def test_what_is_no_sound_is_refused(api: TestClient, data: bytes) -> None:
    response = transcribe(api, data)
    assert response.status_code == 400 and response.json()["error"]["param"] == "file"


def test_the_official_client_speaks_and_hears(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(model="tiny", voice="alloy", input=SAID) as response:
        mp3 = b"".join(response.iter_bytes())
    heard = client.audio.transcriptions.create(
        model="tiny",
        file=("said.mp3", mp3),
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 700},
        include=["logprobs"],
    )
    assert heard.text == SAID and heard.logprobs
    verbose = client.audio.transcriptions.create(
        model="tiny", file=("said.mp3", mp3), response_format="verbose_json", timestamp_granularities=["segment"]
    )
    assert verbose.text == SAID and verbose.segments is not None
    events = list(client.audio.transcriptions.create(model="tiny", file=("said.mp3", mp3), stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text == SAID
