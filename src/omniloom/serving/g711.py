"""G.711: speech as a byte a sample, 8,000 a second, as telephones carry it, in µ-law and in A-law.

Both laws are tables. A byte stands for one of 256 values; a sample becomes the byte whose value is nearest, which is
what the recommendation's decision levels say (ITU-T G.711, tables 1 and 2). Python's `audioop` did this until 3.13.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

Law = Literal["pcmu", "pcma"]
RATE_HZ = 8_000
LEAST_PCMA = 8 / 32768
"""The magnitude of the two values of A-law beside zero, which it has not."""


def decode(data: bytes, law: Law) -> Float32[np.ndarray, " N"]:
    """Samples in [-1, 1) of coded speech."""
    return (_values(law)[np.frombuffer(data, np.uint8)] / 32768).astype(np.float32)


def encode(samples: Float32[np.ndarray, " N"], law: Law) -> bytes:
    """Coded speech of samples; what is louder than full scale is clipped."""
    whole = (np.clip(samples, -1, 1) * 32767).round().astype(np.int32)
    return _codes(law)[whole + 32768].tobytes()


@cache
def _values(law: Law) -> np.ndarray:
    """The 16-bit value of each byte."""
    codes = np.arange(256)
    # The sign bit, three bits of segment and four of step; µ-law sends all of them inverted, A-law every other one.
    bits = ~codes & 0xFF if law == "pcmu" else codes ^ 0x55
    segment, step = bits >> 4 & 7, bits & 15
    if law == "pcmu":
        magnitude = ((2 * step + 33 << segment) - 33) << 2
        is_negative = bits & 0x80 != 0
    else:
        magnitude = np.where(segment == 0, 2 * step + 1, 2 * step + 33 << np.maximum(segment, 1) - 1) << 3
        is_negative = bits & 0x80 == 0
    return np.where(is_negative, -magnitude, magnitude)


@cache
def _codes(law: Law) -> UInt8[np.ndarray, 65536]:
    """The byte of each 16-bit value, from -32768 on."""
    values = _values(law)
    # Of the two zeros of µ-law the positive one is sent: 255, so it stands second.
    order = np.lexsort((np.arange(256), values))
    ordered = values[order]
    if law == "pcmu":
        zeros = np.flatnonzero(ordered == 0)
        order, ordered = np.delete(order, zeros[0]), np.delete(ordered, zeros[0])
    # The laws are of 14 bits; what lies just between two values becomes the louder.
    samples, levels = np.arange(-32768, 32768) >> 2, (ordered[1:] + ordered[:-1]) / 8
    upward, downward = (np.searchsorted(levels, samples, side=side) for side in ("right", "left"))
    return order[np.where(samples < 0, downward, upward)].astype(np.uint8)
