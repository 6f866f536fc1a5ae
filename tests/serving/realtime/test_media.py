"""Sound and pictures over the wire and back; pieces equal the whole."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.media import Resampler, decode_image, decode_pcm, encode_image, encode_pcm
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
    assert torch.equal(decode_image(uri, Limits(), param="image").pixels, pixels)


@pytest.mark.parametrize("kind", ["TIFF", "EPS"])
def test_what_says_png_and_is_another_format_is_refused(kind):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (16, 16), "red").save(buffer, kind)
    uri = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    with pytest.raises(RequestError, match=r"image: .*not a picture that can be read"):
        decode_image(uri, Limits(), param="image")


def test_a_picture_beyond_the_sessions_own_limit_is_refused():
    uri = f"data:image/png;base64,{encode_image(Image(torch.zeros((3, 20, 30), dtype=torch.uint8)))}"
    with pytest.raises(RequestError, match="30 x 20 pixels, at most 500"):
        decode_image(uri, Limits(image_pixels=500), param="image")
