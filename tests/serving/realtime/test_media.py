"""Sound and pictures over the wire and back; pieces equal the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import decode_pcm, encode_image, encode_pcm
from omniloom.serving.realtime.pictures import PictureReader
from omniloom.serving.voices import Resampler
from omniloom.stream.parts import Image


def test_pcm_comes_back_to_half_a_step():
    samples = np.random.default_rng(0).uniform(-1, 0.999, 1000).astype(np.float32)
    np.testing.assert_allclose(decode_pcm(encode_pcm(samples), param="audio"), samples, rtol=0, atol=1.6 / 32768)


def test_loud_sound_is_clipped_and_never_wraps():
    samples = decode_pcm(encode_pcm(np.array([3.0, -3.0], np.float32)), param="audio")
    np.testing.assert_allclose(samples, [1, -1], atol=1e-4)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(24_000, 16_000), (16_000, 24_000), (24_000, 24_000)])
@pytest.mark.parametrize("piece", [1, 77, 480, 5000])
def test_resampling_in_pieces_equals_the_whole(from_hz, to_hz, piece):
    samples = np.random.default_rng(1).normal(0, 0.1, 4321).astype(np.float32)
    whole = Resampler(from_hz, to_hz).push(samples, is_last=True)
    stream = Resampler(from_hz, to_hz)
    pieces = [stream.push(samples[start : start + piece]) for start in range(0, len(samples), piece)]
    np.testing.assert_array_equal(np.concatenate([*pieces, stream.flush()]), whole)
    assert abs(len(whole) - len(samples) * to_hz / from_hz) <= 1


def test_a_picture_comes_back_pixel_for_pixel():
    pixels = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)
    uri = f"data:image/png;base64,{encode_image(Image(pixels))}"
    assert torch.equal(PictureReader(Limits()).from_uri(uri, param="image").pixels, pixels)
