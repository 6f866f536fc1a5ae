"""Which emoji a picture shows, by rules alone: the nearest of the known ones, drawn on the same paper.

What differs from the paper is cut out, brought to one size and compared pixel by pixel with every known emoji cut out
in the same way. A trained network was rejected as a judge, as for scenes: it would share the blind spots of what it
saw.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32

from omniloom.data.emoji.stickers import (
    BACKGROUNDS,
    FORMS,
    SIDE,
    Colour,
    Drawing,
    Sticker,
    draw,
    render_sticker,
)
from omniloom.data.emoji.table import NAMES
from omniloom.stream.parts import Image

GRID = 24
"""Pixels a side at which emoji are compared; less than the smallest shown."""

MIN_CONTRAST = 0.10
"""Difference from the paper that counts as drawn, of 1; codecs leave less around an emoji."""

MIN_SIDE_PX = 12
MAX_MISMATCH = 0.5
"""Squared difference to the nearest emoji, of that emoji's own square, above which nothing is recognised."""


class Sight(NamedTuple):
    """An emoji that was recognised, and the box around what differs from the paper, in pixels."""

    name: str
    mismatch: float
    top: int
    left: int
    bottom: int
    right: int


def read_sticker(image: Image) -> str | None:
    """The name of the emoji that a picture shows, or None where it is like none."""
    sight = look(image)
    return sight.name if sight else None


def look(image: Image) -> Sight | None:
    """The emoji and where it is, or None where the picture is like none."""
    picture = _pixels(image.resized(SIDE))
    paper = _paper_of(picture)
    box = _box(picture, paper)
    if box is None:
        return None
    seen = _cut(picture - paper, box)
    known = _known(_nearest_background(paper))
    distance = (known**2).sum(1) - 2 * known @ seen + (seen**2).sum()
    best = int(distance.argmin())
    mismatch = float(distance[best] / (known[best] ** 2).sum())
    return Sight(NAMES[best], mismatch, *box) if mismatch <= MAX_MISMATCH else None


def read_drawing(image: Image) -> Drawing | None:
    """The drawing that a picture shows: the emoji, and the form whose place and size are nearest."""
    sight = look(image)
    if sight is None:
        return None
    here = np.array([sight.top, sight.left, sight.bottom, sight.right])
    return Drawing(name=sight.name, form=FORMS[int(((_form_boxes(sight.name) - here) ** 2).sum(1).argmin())])


def _pixels(image: Image) -> Float32[np.ndarray, "64 64 3"]:
    return np.asarray(image.pixels.permute(1, 2, 0).numpy() / 255, np.float32)


def _paper_of(picture: Float32[np.ndarray, "64 64 3"]) -> Float32[np.ndarray, " 3"]:
    """The middle colour along the four edges, of which an emoji touches at most two."""
    edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return np.asarray(np.median(edges, axis=0), np.float32)


def _nearest_background(paper: Float32[np.ndarray, " 3"]) -> Colour:
    known = np.array(BACKGROUNDS, np.float32) / 255
    return BACKGROUNDS[int(((known - paper) ** 2).sum(1).argmin())]


def _box(picture: Float32[np.ndarray, "64 64 3"], paper: Float32[np.ndarray, " 3"]) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of what is drawn; None where that is nothing, or a speck."""
    drawn = np.abs(picture - paper).max(axis=2) > MIN_CONTRAST
    rows, columns = (np.flatnonzero(drawn.sum(axis=axis) >= 2) for axis in (1, 0))
    if rows.size == 0 or columns.size == 0:
        return None
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    return box if max(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE_PX else None


def _cut(ink: Float32[np.ndarray, "64 64 3"], box: tuple[int, int, int, int]) -> Float32[np.ndarray, " P"]:
    """What is in the box, in the middle of a square of `GRID` pixels, as one row."""
    top, left, bottom, right = box
    part = torch.from_numpy(ink[top:bottom, left:right]).permute(2, 0, 1)[None]
    height, width = bottom - top, right - left
    size = max(height, width)
    above, before = (size - height) // 2, (size - width) // 2
    square = F.pad(part, (before, size - width - before, above, size - height - above))
    grid = F.interpolate(square, (GRID, GRID), mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(grid.numpy().ravel(), np.float32)


@lru_cache(maxsize=len(BACKGROUNDS))
def _known(background: Colour) -> Float32[np.ndarray, "K P"]:
    """Every emoji cut out of its plain drawing on paper of one colour; a fifth of a second."""
    paper = np.array(background, np.float32) / 255
    rows = []
    for name in NAMES:
        plain = Drawing(name=name).sticker
        sticker = Sticker(name=name, scale=plain.scale, x=plain.x, y=plain.y, background=background)
        picture = _pixels(render_sticker(sticker))
        box = _box(picture, paper)
        assert box is not None, name
        rows.append(_cut(picture - paper, box))
    return np.stack(rows)


@lru_cache(maxsize=4096)
def _form_boxes(name: str) -> Float32[np.ndarray, "K 4"]:
    """The box of an emoji in each form."""
    boxes = []
    for form in FORMS:
        picture = _pixels(draw(Drawing(name=name, form=form)))
        box = _box(picture, np.ones(3, np.float32))
        assert box is not None, name
        boxes.append(box)
    return np.array(boxes, np.float32)
