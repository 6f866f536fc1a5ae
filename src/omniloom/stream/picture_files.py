"""Picture files to pixels: which formats, how large, and how a large one becomes small while it is read.

A photograph of 12 megapixels takes 48 MB as pixels, and no codec here looks at a hundredth of that. JPEG is decoded at
a half, a quarter or an eighth of its size for a fraction of the time and memory; other formats can only be decoded
whole. So a bound on memory is one on the pixels that are decoded, and every one is checked on the file's header alone.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as PillowImage

MAX_IMAGE_PIXELS = 16_000_000
"""Largest picture that is decoded; refused from its header alone, before memory is spent on it."""

MAX_JPEG_PIXELS = 64_000_000
"""Largest JPEG that is decoded at a fraction of its size: a progressive one holds its coefficients, all of them, in 2
bytes each until the last scan, 192 MB as phones write it."""

_JPEG = ("JPEG", "MPO")
"""What Pillow calls a JPEG; the other one has more pictures behind its first, as some phones write them."""


@contextmanager
def reading_picture(name: str, remedy: str) -> Iterator[None]:
    """Turns Pillow's many errors into one that names the file and the remedy."""
    try:
        yield
    except UnidentifiedImageError as error:  # its own message holds an address of the buffer
        raise ValueError(f"{name} is not a picture that can be read (of no known format, or cut); {remedy}") from error
    except (PillowImage.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"{name} is not a picture that can be read ({error}); {remedy}") from error


def opened(data: bytes, name: str, formats: tuple[str, ...], *, max_side: int | None = None) -> PillowImage.Image:
    """A picture whose size is known and whose pixels are not decoded yet; its size is what will be decoded of it.

    Raises:
        ValueError: If that is too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)  # our own limit is lower
        picture = PillowImage.open(io.BytesIO(data), formats=formats)
    size, most = picture.size, MAX_IMAGE_PIXELS
    if max_side is not None and picture.format in _JPEG:
        if size[0] * size[1] <= MAX_JPEG_PIXELS:
            scale = max_side / max(size)
            picture.draft(None, (max(1, int(size[0] * scale)), max(1, int(size[1] * scale))))
        else:
            most = MAX_JPEG_PIXELS
    if picture.width * picture.height > most:
        raise ValueError(f"{name} has {size[0]} x {size[1]} pixels, at most {most:,} are taken; make it smaller first")
    return picture


def fitted(picture: PillowImage.Image, max_side: int | None = None) -> PillowImage.Image:
    """The decoded picture standing upright, its longer side at most `max_side` pixels."""
    turn = _turn_upright(picture)
    if picture.mode in ("I", "I;16"):  # 16 bits of grey, of which Pillow would keep the lowest 8
        picture = picture.point(lambda value: value * (1 / 256)).convert("L")
    if max_side is not None and max(picture.size) > max_side:
        # Numbers of a palette cannot be averaged, colours can.
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        picture = picture if picture.mode == mode else picture.convert(mode)
        picture.thumbnail((max_side, max_side))
    return picture if turn is None else picture.transpose(turn)


_TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
"""What shows a picture as it was taken, by its EXIF orientation."""


def _turn_upright(picture: PillowImage.Image) -> PillowImage.Transpose | None:
    """A camera that is held upright writes its pictures lying and notes so; a broken note stands for none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (KeyError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        return None
