"""Part a picture into how much of each pixel is covered and in which colour, by arithmetic alone.

A code that mixes shape and colour exists only for the pairs that were seen, and a language model then learns which
pairs exist instead of composing them (measured on a joint codec: no unseen pair was drawn right). So both are parted
before anything is learned. A pixel's ink is one minus its red, green and blue; ink relative to the strongest ink nearby
is its coverage, which for a flat shape is its anti-aliased silhouette whatever its colour; ink over coverage is the
colour, whatever the shape. Both are rounded coarsely, so that the 8-bit rounding of the picture cannot show through.
Luminance was rejected as strength: yellow on white has almost none.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SIDE = 64
FRAME_SIDE = 32
"""Of a frame of a video, whose objects are half as large as those of a picture."""
PATCH = 8
BLOCK = 16

FAINTEST_INK = 5 / 255
"""Ink below it is paper: noise of a scan or of JPEG."""
FAINTEST_FULL_INK = 0.25
"""Lighter ink is never taken for full coverage, so that faint noise is not blown up."""
NEARBY = 9
"""Pixels across the square in which the strongest ink is sought: a star's tip finds full ink 4 pixels away, and objects
in neighbouring quadrants, 6 pixels apart, do not find each other's."""
NEARBY_IN_FRAME = 5
"""The same in a frame: half as far."""
COVERAGE_STEPS = 16
COLOUR_STEPS = 17
LEAST_COVERED_PX = 0.25
"""A block with less ink, in whole pixels, is paper."""


class Separated(NamedTuple):
    """Coverage of each pixel, 0 to 1, and for each 16x16 block its ink and whether it has any."""

    coverage: Float[Tensor, "B 1 side side"]
    colour: Float[Tensor, "B 4 grid grid"]


def separate(pixels: Float[Tensor, "B 3 side side"]) -> Separated:
    """Coverage and colour of pictures in 0..1, or of frames; colour holds red, green and blue ink, and a bit for any.

    Sides of 64 pixels are taken for pictures, of 32 for frames.
    """
    nearby = NEARBY_IN_FRAME if pixels.shape[-1] == FRAME_SIDE else NEARBY
    ink = 1 - pixels
    strength = ink.amax(dim=1, keepdim=True)
    strength = strength * (strength >= FAINTEST_INK)
    full = _most_nearby(strength, nearby).clamp(min=FAINTEST_FULL_INK)
    coverage = strength / full
    # The fourth power leaves the colour to pixels that are covered whole, where rounding matters least.
    weight = coverage**4
    covered = _block_sum(weight * coverage)
    has_ink = (_block_sum(coverage) >= LEAST_COVERED_PX).to(pixels.dtype)
    colour = _block_sum(weight * ink) / covered.clamp(min=1e-6)
    colour = (colour.clamp(0, 1) * COLOUR_STEPS).round() / COLOUR_STEPS * has_ink
    coverage = (coverage * COVERAGE_STEPS).round() / COVERAGE_STEPS
    return Separated(coverage, torch.cat([colour, has_ink], dim=1))


def _most_nearby(values: Tensor, nearby: int) -> Tensor:
    """The most in the square around each pixel, along one axis and then the other; pooling takes ten times as long."""
    for axis, edges in ((2, (0, 0, nearby // 2, nearby // 2)), (3, (nearby // 2, nearby // 2))):
        padded, side = F.pad(values, edges), values.shape[axis]
        values = functools.reduce(torch.maximum, [padded.narrow(axis, first, side) for first in range(nearby)])
    return values


def _block_sum(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, BLOCK) * BLOCK**2
