"""Pictures out of clients' text: by what their bytes say, counted before they are decoded, one by one and together."""

from __future__ import annotations

import base64
import io

import pytest
import torch
from PIL import Image as PillowImage

from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.pictures import BASE64_STEP, SEEN_SIDE, PictureReader, decode_base64


def file_of(picture: PillowImage.Image, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format)
    return buffer.getvalue()


def uri_of(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("kind", ["TIFF", "EPS"])
def test_what_says_png_and_is_another_format_is_refused(kind: str) -> None:
    uri = uri_of(file_of(PillowImage.new("RGB", (16, 16), "red"), kind))
    with pytest.raises(RequestError, match=r"image: .*not a picture that can be read"):
        PictureReader(Limits()).from_uri(uri, param="image")


def test_a_picture_beyond_its_own_limit_is_refused() -> None:
    with pytest.raises(RequestError, match="image has 600 pixels to decode, at most 500"):
        PictureReader(Limits(image_pixels=500)).from_bytes(file_of(PillowImage.new("RGB", (30, 20))), param="image")


def test_pictures_are_counted_together_as_they_are_decoded() -> None:
    bombs = [file_of(PillowImage.new("1", (4_000, 4_000))) for _ in range(3)]
    assert sum(map(len, bombs)) < 8_000
    reader = PictureReader(Limits())
    for bomb in bombs[:2]:
        reader.from_bytes(bomb, param="image")
    with pytest.raises(RequestError, match="over 32,000,000 pixels to decode"):
        reader.from_bytes(bombs[2], param="image")
    photograph = file_of(PillowImage.new("RGB", (4_032, 3_024), "red"), "JPEG")
    reader = PictureReader(Limits())
    for _ in range(10):  # of 3 million pixels each once decoded at half their size
        picture = reader.from_bytes(photograph, param="image")
    assert picture.pixels.shape == (3, SEEN_SIDE * 3 // 4, SEEN_SIDE)
    with pytest.raises(RequestError, match="over 32,000,000 pixels to decode"):
        reader.from_bytes(photograph, param="image")


@pytest.mark.parametrize("num_bytes", [0, 1, 2, BASE64_STEP // 4 * 3, BASE64_STEP // 4 * 3 + 1, 2 * BASE64_STEP])
def test_base64_in_pieces_equals_the_whole(num_bytes: int) -> None:
    data = bytes(torch.randint(0, 256, (num_bytes,), dtype=torch.uint8).numpy())
    assert decode_base64(base64.b64encode(data).decode(), param="data") == data


@pytest.mark.parametrize("text", ["AAA", "A A=", "AA==AAAA", "\u00e4AAA", "A" * (BASE64_STEP - 4) + "AA==" + "AAAA"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="data is not base64"):
        decode_base64(text, param="data")
