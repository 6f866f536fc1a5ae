"""Films and files in requests: frames where they are shown, with their sound; what they are, their bytes say."""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from starlette.testclient import TestClient

from omniloom.data.scenes import parse_description, render
from omniloom.generation import Omni
from omniloom.serving.http import media
from omniloom.serving.http.media import SEEN_FPS, MediaReader
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.sounds import write_sound
from omniloom.stream.parts import Audio, Image, Video

SIDE, RATE_FPS, RATE_HZ = 64, 25, 24_000
COLOURS = ((220, 30, 30), (30, 200, 30), (30, 30, 220))
"""Of a film's thirds."""


def film(
    *, container: str = "mp4", codec: str = "libx264", sound_codec: str | None = "aac", seconds: float = 3
) -> bytes:
    """A film of one colour after the other, with a tone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        pictures: Any = output.add_stream(codec, rate=RATE_FPS, width=SIDE, height=SIDE, pix_fmt="yuv420p")
        sound: Any = output.add_stream(sound_codec, rate=RATE_HZ, layout="mono") if sound_codec else None
        for number in range(round(seconds * RATE_FPS)):
            colour = COLOURS[int(number / RATE_FPS * 3 / seconds) % 3]
            pixels = np.broadcast_to(np.array(colour, np.uint8), (SIDE, SIDE, 3)).copy()
            output.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(pictures.encode(None))
        if sound is not None:
            tone = (0.3 * np.sin(np.arange(round(seconds * RATE_HZ)) * 2 * np.pi * 440 / RATE_HZ)).astype(np.float32)
            for start in range(0, tone.size, 960):
                frame = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
                output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
    return buffer.getvalue()


def uri_of(data: bytes, media_type: str = "video/mp4") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def read_film(data: bytes) -> Video:
    return MediaReader(Limits()).video_from_uri(uri_of(data), param="url")


@pytest.mark.parametrize(
    ("container", "codec", "sound_codec"), [("mp4", "libx264", "aac"), ("webm", "libvpx", "libopus")]
)
def test_a_film_is_its_frames_in_time_and_its_sound(container: str, codec: str, sound_codec: str) -> None:
    data = film(container=container, codec=codec, sound_codec=sound_codec)
    video = MediaReader(Limits()).video_from_uri(uri_of(data, f"video/{container}"), param="url")
    assert video.rate_fps == SEEN_FPS and video.duration_s == pytest.approx(3, abs=0.1)
    for third, colour in enumerate(COLOURS):
        frame = video.frames[10 * third + 5].float().mean(dim=(1, 2)).numpy()
        np.testing.assert_allclose(frame, colour, atol=12)  # what 4:2:0 and the codec make of a plain colour
    assert video.sound is not None and video.sound.duration_s == pytest.approx(3, abs=0.1)
    samples = video.sound.samples.numpy()[8_000:40_000]
    assert np.abs(np.fft.rfft(samples)).argmax() / 2 == pytest.approx(440, abs=1)


def test_a_silent_film_has_no_sound() -> None:
    assert read_film(film(sound_codec=None)).sound is None


def test_a_moving_picture_is_a_film_too() -> None:
    frames = [Image(frame) for frame in read_film(film()).frames[::5]]
    gif = Video.from_frames(frames, 5).to_bytes("GIF")
    found = MediaReader(Limits()).video_from_uri(uri_of(gif, "video/gif"), param="url")
    assert found.duration_s == pytest.approx(6 / 5) and found.frames.shape[0] >= len(COLOURS)


def test_what_a_file_is_its_bytes_say() -> None:
    picture = Image(read_film(film()).frames[0])
    tone = (0.1 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32)
    kinds = [(film(), Video), (picture.to_bytes("PNG"), Image), (write_sound(tone, 24_000, "opus"), Audio)]
    for data, kind in kinds:
        assert isinstance(MediaReader(Limits()).part_from_bytes(data, param="file"), kind)


@pytest.mark.parametrize("cut", [8, 100, 2_000])
def test_torn_films_are_refused_or_read(cut: int) -> None:
    try:
        found = read_film(film()[:cut])
    except RequestError as error:
        assert error.param == "url"
    else:
        assert found.frames.numel()


def test_a_film_that_is_too_long_is_refused() -> None:
    with pytest.raises(RequestError, match="longer than 60 s"):
        read_film(film(seconds=61, sound_codec=None))


def test_a_film_is_asked_about(api: TestClient, tiny: Omni) -> None:
    data = film()
    expected = tiny.reply(["What happens?", read_film(data)]).text
    for part in (
        {"type": "video_url", "video_url": {"url": uri_of(data)}},
        {"type": "file", "file": {"file_data": uri_of(data), "filename": "film.mp4"}},
    ):
        content = [{"type": "text", "text": "What happens?"}, part]
        body = {"model": "tiny", "messages": [{"role": "user", "content": content}]}
        answer = api.post("/v1/chat/completions", json=body).json()
        assert answer["choices"][0]["message"]["content"] == expected
        details = answer["usage"]["prompt_tokens_details"]
        assert details["image_tokens"] > 0 and details["audio_tokens"] > 0


BLANK = Image(torch.zeros(3, 3_000, 3_000, dtype=torch.uint8)).to_bytes("PNG")
"""Three have fewer pixels than those of one request may have, four have more."""


def test_the_pictures_of_a_request_have_a_limit_together(api: TestClient) -> None:
    uri = uri_of(BLANK, "image/png")
    shown = {"type": "image_url", "image_url": {"url": uri}}
    chat = [{"role": "user", "content": [shown, shown]}, {"role": "assistant", "content": "a"}] * 2
    given = [{"role": "user", "content": [{"type": "input_image", "image_url": uri}] * 4}]
    for answer in (
        api.post("/v1/chat/completions", json={"model": "tiny", "messages": chat[:3]}),
        api.post("/v1/responses", json={"model": "tiny", "input": given}),
        api.post("/v1/images/edits", data={"prompt": "draw it"}, files=[("image[]", BLANK)] * 4),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_too_large")


SIDE_12_MP = 3_456


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_two_photographs_of_a_phone_are_seen_in_one_chat(api: TestClient, tiny: Omni, format: str) -> None:
    scene = parse_description("big red circle top left")
    assert scene is not None
    small = render(scene)
    large = small.to_pillow().resize((SIDE_12_MP, SIDE_12_MP), PillowImage.Resampling.NEAREST)
    buffer = io.BytesIO()
    large.save(buffer, format, quality=95)
    shown = {"type": "image_url", "image_url": {"url": uri_of(buffer.getvalue(), f"image/{format.lower()}")}}
    question = "What colour is the circle?"
    content = [shown, shown, {"type": "text", "text": question}]
    answer = api.post(
        "/v1/chat/completions", json={"model": "tiny", "messages": [{"role": "user", "content": content}]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == tiny.reply([small, small, question]).text


def test_the_sounds_of_a_request_have_a_limit_together(api: TestClient, tiny: Omni) -> None:
    long = base64.b64encode(write_sound(np.zeros(24_000 * 25, np.float32), 24_000, "mp3")).decode()
    spoken = {"type": "input_audio", "input_audio": {"data": long, "format": "mp3"}}
    filmed = {"type": "video_url", "video_url": {"url": uri_of(film(seconds=25))}}
    filed = {"type": "file", "file": {"file_data": uri_of(base64.b64decode(long), "audio/mpeg")}}
    chat = [{"role": "user", "content": [spoken, filmed]}, {"role": "user", "content": [filed, spoken, spoken]}]
    given = [{"role": "user", "content": [{"type": "input_file", "file_data": long}] * 5}]
    for path, body, param in (
        ("chat/completions", {"messages": chat}, "messages.1.content.2.input_audio.data"),
        ("responses", {"input": given}, "input.0.content.4.file_data"),
    ):
        answer = api.post(f"/v1/{path}", json={"model": "tiny", **body})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "audio_too_long", param)
        assert "over 120 s together" in error["message"]


def test_choices_share_what_was_decoded(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = parse_description("big red circle top left")
    assert scene is not None
    sound = write_sound(np.zeros(24_000, np.float32), 24_000, "wav")
    picture = uri_of(render(scene).to_bytes("PNG"), "image/png")
    decoded = []
    whole_image, whole_sound = Image.open, media.read_sound
    monkeypatch.setattr(Image, "open", lambda *given, **how: decoded.append("image") or whole_image(*given, **how))
    monkeypatch.setattr(
        media, "read_sound", lambda *given, **how: decoded.append("sound") or whole_sound(*given, **how)
    )
    content = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": "wav"}},
        {"type": "text", "text": "What colour is the circle?"},
    ]
    body = {"model": "tiny", "n": 3, "messages": [{"role": "user", "content": content}]}
    answer = api.post("/v1/chat/completions", json=body).json()
    assert len(answer["choices"]) == 3 and decoded == ["image", "sound"]
    files = [("image", render(scene).to_bytes("PNG"))]
    drawn = api.post("/v1/images/edits", data={"prompt": "make it blue", "n": "2"}, files=files).json()
    assert len(drawn["data"]) == 2 and decoded == ["image", "sound", "image"]
