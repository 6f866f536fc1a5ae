"""Pictures that clients send, to sessions and to requests alike: out of their text, within the limits, and made small.

A few kilobytes on the wire unpack to megabytes. So what will be decoded is counted from the file's header, before any
of it is, and what a message, a response or a request decodes has a limit together.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading

from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.stream.parts import Image

SEEN_SIDE = 1_024
"""Larger pictures are made smaller while they are read: more than any codec here looks at, and 3 MB."""

DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)

BASE64_STEP = 1 << 20
"""Characters of base64 that are decoded between two chances for other threads; a multiple of 4."""

LARGE_PIXELS = 4_000_000
_LARGE = threading.BoundedSemaphore(2)
"""Pictures beyond `LARGE_PIXELS` that are decoded at once: one takes up to 200 MB for a third of a second."""


class PictureReader:
    """Reads the pictures of one message, one response or one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._num_pixels = 0

    def from_uri(self, uri: str, *, param: str) -> Image:
        """The picture in a data URI.

        Raises:
            RequestError: If there is none, or it is too large.
        """
        return self.from_bytes(data_of(uri, "image", param=param), param=param)

    def from_bytes(self, data: bytes, *, param: str) -> Image:
        """The picture in a file.

        Raises:
            RequestError: If it cannot be read or is too large.
        """
        try:
            num_pixels = Image.num_pixels_decoded(data, max_side=SEEN_SIDE)
            self._spend(num_pixels, param=param)
            if num_pixels < LARGE_PIXELS:
                return Image.open(data, max_side=SEEN_SIDE)
            with _LARGE:
                return Image.open(data, max_side=SEEN_SIDE)
        except RequestError:
            raise
        except ValueError as error:
            raise RequestError(f"{param}: {error}", code="invalid_image", param=param) from error

    def _spend(self, num_pixels: int, *, param: str) -> None:
        most, most_together = self._limits.image_pixels, self._limits.total_image_pixels
        if num_pixels > most:
            message = f"{param} has {num_pixels:,} pixels to decode, at most {most:,} are taken; make it smaller first"
            raise RequestError(message, code="image_too_large", param=param)
        self._num_pixels += num_pixels
        if self._num_pixels > most_together:
            message = (
                f"{param}: the pictures sent together have over {most_together:,} pixels to decode; send fewer, or "
                "make them smaller first"
            )
            raise RequestError(message, code="image_too_large", param=param)


def data_of(uri: str, kind: str, *, param: str) -> bytes:
    """The bytes of a data URI; `kind` (image, video) only words the error, for what data is its bytes say."""
    match = DATA_URI.match(uri[:256])
    if match is None:
        raise RequestError(
            f"{param} must be a data URI in base64 (data:{kind}/…;base64,…); nothing is fetched from other addresses",
            code=f"invalid_{kind}_url",
            param=param,
        )
    return decode_base64(uri[match.end() :], param=param)


def decode_base64(text: str, *, param: str) -> bytes:
    """The bytes behind base64, refusing anything that is not."""
    pieces = []
    try:
        for start in range(0, len(text), BASE64_STEP):
            piece = base64.b64decode(text[start : start + BASE64_STEP], validate=True)
            pieces.append(piece)
            if start + BASE64_STEP < len(text) and len(piece) != BASE64_STEP // 4 * 3:
                raise ValueError("padding stands before the end")
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"{param} is not base64 ({error})", code="invalid_base64", param=param) from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
