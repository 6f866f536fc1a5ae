"""Media written for the wire are read back by the server's reader as they were, to the last bit."""

from __future__ import annotations

import pytest
import torch

from omniloom.evaluation.endpoints.media import film_bytes, sound_bytes
from omniloom.serving.http.media import MediaReader
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import MODEL_RATE_HZ
from omniloom.stream.parts import Audio, Video


def noise(seconds: float, rate_hz: int) -> Audio:
    samples = torch.rand(int(seconds * rate_hz), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Audio(samples, rate_hz)


@pytest.mark.parametrize("rate_hz", [MODEL_RATE_HZ, 22_050])
def test_a_sound_is_what_the_model_would_have_heard(rate_hz: int) -> None:
    sound = noise(0.3, rate_hz)
    read = MediaReader(Limits()).sound_from_bytes(sound_bytes(sound, rate_hz=MODEL_RATE_HZ), param="a")
    assert torch.equal(read.samples, sound.resampled(MODEL_RATE_HZ).samples)


def test_a_film_keeps_its_pixels_and_its_sound() -> None:
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (7, 3, 32, 48), dtype=torch.uint8, generator=random)
    film = Video(frames, 10.0, noise(0.7, MODEL_RATE_HZ))
    read = MediaReader(Limits()).video_from_bytes(film_bytes(film, rate_hz=MODEL_RATE_HZ), param="a")
    assert read.rate_fps == film.rate_fps and torch.equal(read.frames, frames)
    assert read.sound is not None and film.sound is not None
    assert torch.equal(read.sound.samples, film.sound.samples)
    silent = MediaReader(Limits()).video_from_bytes(film_bytes(Video(frames[:1], 5.0)), param="a")
    assert silent.sound is None and torch.equal(silent.frames[0], frames[0])
