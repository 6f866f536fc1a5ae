"""Pictures read smaller than they are look the same, stand upright, and are refused before they take memory."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from omniloom.stream.parts import Image
from omniloom.stream.picture_files import MAX_IMAGE_PIXELS, MAX_JPEG_PIXELS

SIDE = 200


def gradient(width: int, height: int, mode: str = "RGB") -> PillowImage.Image:
    """Brighter to the right in red, downwards in green; opaque where there is alpha."""
    red = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    green = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    pixels = np.stack([red, green, np.full((height, width), 90.0)], axis=-1).round().astype(np.uint8)
    return PillowImage.fromarray(pixels).convert(mode)


def written(picture: PillowImage.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "format", "options", "tolerance"),
    [
        ("RGB", "PNG", {}, 2),
        ("RGBA", "PNG", {}, 2),
        ("RGBA", "WEBP", {"lossless": True}, 2),
        ("RGB", "JPEG", {"quality": 95}, 4),  # what JPEG makes of a smooth picture
        ("RGB", "JPEG", {"quality": 95, "progressive": True}, 4),
        ("P", "GIF", {}, 40),  # 256 colours for 60,000: steps of a palette
    ],
)
def test_read_smaller_is_the_same_picture(mode: str, format: str, options: dict[str, object], tolerance: int) -> None:
    data = written(gradient(1_500, 1_000, mode), format, **options)
    found = Image.open(data, max_side=SIDE).pixels
    assert found.shape == (3, 133, SIDE)
    expected = torch.from_numpy(np.array(gradient(SIDE, 133))).permute(2, 0, 1)
    assert int((found.int() - expected.int()).abs().max()) <= tolerance


def test_grey_of_16_bits_keeps_its_shades() -> None:
    shades = np.linspace(0, 65_535, 256).astype(np.uint16)
    data = written(PillowImage.fromarray(np.tile(shades, (300, 1))), "PNG")
    expected = torch.arange(256, dtype=torch.uint8).expand(3, 300, 256)
    assert torch.equal(Image.open(data).pixels, expected)
    assert int((Image.open(data, max_side=150).pixels[:, 75].float() - torch.arange(128) * 2 - 0.5).abs().max()) <= 1


def test_what_is_small_enough_stays_pixel_for_pixel() -> None:
    data = written(gradient(SIDE, 50), "PNG")
    assert torch.equal(Image.open(data, max_side=SIDE).pixels, Image.open(data).pixels)


def test_a_jpeg_is_decoded_at_a_fraction_of_its_size() -> None:
    data = written(gradient(4_032, 3_024), "JPEG")
    assert Image.num_pixels_decoded(data, max_side=1_024) == 2_016 * 1_512
    assert Image.num_pixels_decoded(data, max_side=500) == 504 * 378
    assert Image.num_pixels_decoded(data, max_side=5_000) == 4_032 * 3_024
    assert Image.num_pixels_decoded(written(gradient(4_032, 3_024), "PNG"), max_side=500) == 4_032 * 3_024


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_a_tilted_camera_stands_upright(orientation: int) -> None:
    upright = gradient(60, 40)
    lying = {
        2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
        3: PillowImage.Transpose.ROTATE_180,
        4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
        5: PillowImage.Transpose.TRANSPOSE,
        6: PillowImage.Transpose.ROTATE_90,
        7: PillowImage.Transpose.TRANSVERSE,
        8: PillowImage.Transpose.ROTATE_270,
    }
    stored = upright.transpose(lying[orientation]) if orientation > 1 else upright
    notes = PillowImage.Exif()
    notes[0x0112] = orientation
    data = written(stored, "PNG", exif=notes)
    for found in (Image.open(data), Image.open(data, max_side=60)):
        assert torch.equal(found.pixels, Image.from_pillow(upright).pixels)


def test_broken_notes_of_a_camera_are_passed_over() -> None:
    data = written(gradient(60, 40), "JPEG", exif=b"Exif\0\0not a note of any kind")
    assert Image.open(data, max_side=30).pixels.shape == (3, 20, 30)


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = written(PillowImage.new("1", (4_096, 4_096)), "PNG")
    assert len(bomb) < 2_500 and MAX_IMAGE_PIXELS < 4_096**2
    with pytest.raises(ValueError, match="4096 x 4096 pixels, at most 16,000,000"):
        Image.open(bomb, max_side=SIDE)


def test_a_jpeg_beyond_what_its_coefficients_may_take_is_refused() -> None:
    side = 8_200
    data = written(PillowImage.new("L", (side, side)), "JPEG", progressive=True)
    assert side**2 > MAX_JPEG_PIXELS
    with pytest.raises(ValueError, match="8200 x 8200 pixels, at most 64,000,000"):
        Image.open(data, max_side=SIDE)
    with pytest.raises(ValueError, match="at most 16,000,000"):
        Image.open(data)
