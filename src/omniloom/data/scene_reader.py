"""Read a scene off a picture by rules alone, so that drawings are judged by something that never saw a model's output.

Each quadrant's ink is compared, centred on its own centre of mass, with drawings of every shape at many radii and
turns; the nearest names the shape and the size. A small trained network was rejected as a judge: it would share the
blind spots of whatever it was trained on.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from omniloom.data.scenes import (
    COLOURS,
    POSITIONS,
    QUADRANT,
    RADIUS_PX,
    RGB,
    SHAPES,
    SIDE,
    Scene,
    SceneObject,
    coverage,
)
from omniloom.stream.parts import Image

MIN_INK = 0.25
"""Darkest pixel of a quadrant that counts as drawn; the faintest canonical colour, pink, has 0.47."""

MIN_AREA_PX = 20.0
"""Ink of less than a third of the smallest jittered shape (a star of radius 7, about 55 pixels) is a smudge."""

MAX_MISMATCH = 0.35
"""Squared difference to the nearest drawing, of that drawing's own square, above which no shape is recognised."""

RADII_PX = np.arange(6.5, 15.6, 0.5)
TURNS_DEGREES = (-14.0, -7.0, 0.0, 7.0, 14.0)


class _Drawings(NamedTuple):
    pixels: Float32[np.ndarray, "K 1024"]
    shapes: tuple[str, ...]
    radii_px: tuple[float, ...]


def read_scene(image: Image) -> Scene | None:
    """The scene that a 64x64 picture shows, or None where it shows none that is valid and recognisable."""
    if image.pixels.shape[1:] != (SIDE, SIDE):
        image = image.resized(SIDE)
    picture = image.pixels.permute(1, 2, 0).numpy().astype(np.float32) / 255
    objects = []
    for index, position in enumerate(POSITIONS):
        top, left = (QUADRANT * step for step in divmod(index, 2))
        quadrant = picture[top : top + QUADRANT, left : left + QUADRANT]
        if _is_empty(quadrant):
            continue
        item = _read_object(quadrant, position)
        if item is None:
            return None
        objects.append(item)
    try:
        return Scene.of(objects)
    except ValueError:
        return None


def is_empty_sheet(image: Image) -> bool:
    """Whether nothing is drawn on the picture."""
    return _is_empty(image.pixels.permute(1, 2, 0).numpy().astype(np.float32) / 255)


def _is_empty(quadrant: Float32[np.ndarray, "height width 3"]) -> bool:
    return bool((1 - quadrant).max() < MIN_INK)


def _read_object(quadrant: Float32[np.ndarray, "32 32 3"], position: str) -> SceneObject | None:
    strength = (1 - quadrant).max(axis=2)
    # The fortieth strongest pixel is full ink in every shape, and a few overshooting ones do not move it.
    full = np.sort(strength, axis=None)[-40]
    if full < MIN_INK / 2:
        return None
    alpha = np.clip(strength / full, 0, 1)
    alpha[alpha < 0.1] = 0
    if alpha.sum() < MIN_AREA_PX:
        return None
    drawings = _drawings()
    seen = _centred(alpha).ravel()
    distance = (drawings.pixels**2).sum(1) - 2 * drawings.pixels @ seen + (seen**2).sum()
    best = int(distance.argmin())
    if distance[best] > MAX_MISMATCH * (drawings.pixels[best] ** 2).sum():
        return None
    limit_px = sum(RADIUS_PX.values()) / 2
    return SceneObject(
        shape=drawings.shapes[best],
        colour=_nearest_colour(quadrant[alpha > 0.85].mean(axis=0)),
        size="small" if drawings.radii_px[best] < limit_px else "big",
        position=position,
    )


def _nearest_colour(rgb: Float32[np.ndarray, " 3"]) -> str:
    """The canonical colour with the nearest red, green and blue, which lie at least 0.35 apart."""
    known = np.array([RGB[colour] for colour in COLOURS], np.float32) / 255
    return COLOURS[int(((known - rgb) ** 2).sum(axis=1).argmin())]


def _centred(alpha: Float32[np.ndarray, "32 32"]) -> Float32[np.ndarray, "32 32"]:
    """Moved so that the centre of mass is the centre of the quadrant, and blurred by one pixel either way."""
    steps = np.arange(QUADRANT)
    total = alpha.sum()
    shift_y = (QUADRANT - 1) / 2 - (alpha.sum(axis=1) @ steps) / total
    shift_x = (QUADRANT - 1) / 2 - (alpha.sum(axis=0) @ steps) / total
    return np.asarray(_shift_matrix(shift_y) @ alpha @ _shift_matrix(shift_x).T, np.float32)


def _shift_matrix(shift: float) -> np.ndarray:
    """Row sums of one: a triangle of half-width two pixels around where each output pixel comes from."""
    steps = np.arange(QUADRANT)
    gap = np.abs(steps[None, :] - (steps[:, None] - shift))
    return np.asarray(np.maximum(0, 2 - gap) / 4)


@functools.cache
def _drawings() -> _Drawings:
    """Every shape at every radius and turn, centred; about 0.2 s the first time."""
    pixels, shapes, radii = [], [], []
    for shape in SHAPES:
        for radius_px in RADII_PX:
            for turn_degrees in (0.0,) if shape in ("circle", "ring") else TURNS_DEGREES:
                pixels.append(_centred(coverage(shape, radius_px=radius_px, turn_degrees=turn_degrees)).ravel())
                shapes.append(shape)
                radii.append(float(radius_px))
    return _Drawings(np.stack(pixels), tuple(shapes), tuple(radii))
