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
from starlette.testclient import TestClient

from omniloom.generation import Omni
from omniloom.serving.http.errors import ApiError
from omniloom.serving.http.media import SEEN_FPS, part_from_file, video_from_uri
from omniloom.serving.realtime.limits import Limits
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


@pytest.mark.parametrize(
    ("container", "codec", "sound_codec"), [("mp4", "libx264", "aac"), ("webm", "libvpx", "libopus")]
)
def test_a_film_is_its_frames_in_time_and_its_sound(container: str, codec: str, sound_codec: str) -> None:
    data = film(container=container, codec=codec, sound_codec=sound_codec)
    video = video_from_uri(uri_of(data, f"video/{container}"), Limits(), param="url")
    assert video.rate_fps == SEEN_FPS and video.duration_s == pytest.approx(3, abs=0.1)
    for third, colour in enumerate(COLOURS):
        frame = video.frames[10 * third + 5].float().mean(dim=(1, 2)).numpy()
        np.testing.assert_allclose(frame, colour, atol=12)  # what 4:2:0 and the codec make of a plain colour
    assert video.sound is not None and video.sound.duration_s == pytest.approx(3, abs=0.1)
    samples = video.sound.samples.numpy()[8_000:40_000]
    assert np.abs(np.fft.rfft(samples)).argmax() / 2 == pytest.approx(440, abs=1)


def test_a_silent_film_has_no_sound() -> None:
    assert video_from_uri(uri_of(film(sound_codec=None)), Limits(), param="url").sound is None


def test_a_moving_picture_is_a_film_too() -> None:
    frames = [Image(frame) for frame in video_from_uri(uri_of(film()), Limits(), param="url").frames[::5]]
    gif = Video.from_frames(frames, 5).to_bytes("GIF")
    found = video_from_uri(uri_of(gif, "video/gif"), Limits(), param="url")
    assert found.duration_s == pytest.approx(6 / 5) and found.frames.shape[0] >= len(COLOURS)


def test_what_a_file_is_its_bytes_say() -> None:
    picture = Image(video_from_uri(uri_of(film()), Limits(), param="url").frames[0])
    tone = (0.1 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32)
    kinds = [(film(), Video), (picture.to_bytes("PNG"), Image), (write_sound(tone, 24_000, "opus"), Audio)]
    for data, kind in kinds:
        assert isinstance(part_from_file(data, Limits(), param="file"), kind)


@pytest.mark.parametrize("cut", [8, 100, 2_000])
def test_torn_films_are_refused_or_read(cut: int) -> None:
    try:
        found = video_from_uri(uri_of(film()[:cut]), Limits(), param="url")
    except ApiError as error:
        assert error.status == 400 and error.param == "url"
    else:
        assert found.frames.numel()


def test_a_film_that_is_too_long_is_refused() -> None:
    with pytest.raises(ApiError, match="longer than 60 s"):
        video_from_uri(uri_of(film(seconds=61, sound_codec=None)), Limits(), param="url")


def test_a_film_is_asked_about(api: TestClient, tiny: Omni) -> None:
    data = film()
    expected = tiny.reply(["What happens?", video_from_uri(uri_of(data), Limits(), param="url")]).text
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
"""Two have more pixels than one request may."""


def test_the_pictures_of_a_request_have_a_limit_together(api: TestClient) -> None:
    uri = uri_of(BLANK, "image/png")
    shown = {"type": "image_url", "image_url": {"url": uri}}
    chat = [{"role": "user", "content": [shown]}, {"role": "assistant", "content": "a"}] * 2
    given = [{"role": "user", "content": [{"type": "input_image", "image_url": uri}] * 2}]
    for answer in (
        api.post("/v1/chat/completions", json={"model": "tiny", "messages": chat[:3]}),
        api.post("/v1/responses", json={"model": "tiny", "input": given}),
        api.post("/v1/images/edits", data={"prompt": "draw it"}, files=[("image[]", BLANK)] * 2),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_too_large")
