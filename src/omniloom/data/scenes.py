"""The world of scenes: a few coloured shapes on white paper, described in words and drawn as a 64x64 picture.

Everything here is exact on purpose. A canonical drawing places the same object identically in every quadrant, on the
8-pixel grid of the image codec, so that a language model meets the same codes wherever an object stands. A jittered
drawing is what a user shows: moved, turned, scaled and shaded a little. Shapes are polygons rasterised at four times
the size and averaged; drawing with Pillow's own anti-aliasing was rejected, as it has none for polygons.

Eight of the eighty colour-shape pairs are held out of every picture and every example that the model or the image codec
learns from, to measure whether pairs are composed. The audio codec's training joins reply words at random: there the
two words of such a pair may sound together, with nothing that says what they mean.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image as PillowImage
from PIL import ImageDraw

from omniloom.data.speech.french import french_object, parse_french_object
from omniloom.data.speech.words import Language
from omniloom.stream.parts import Image

RGB: dict[str, tuple[int, int, int]] = {
    "red": (225, 30, 30),
    "orange": (255, 135, 0),
    "yellow": (255, 225, 0),
    "green": (30, 165, 45),
    "cyan": (0, 210, 225),
    "blue": (30, 60, 225),
    "purple": (135, 30, 180),
    "pink": (255, 135, 195),
    "brown": (120, 60, 15),
    "black": (15, 15, 15),
}
"""Canonical colours; every channel is a multiple of 15, the step to which the image codec rounds a colour."""

COLOURS = tuple(RGB)
SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
SIZES = ("small", "big")
POSITIONS = ("top left", "top right", "bottom left", "bottom right")
AND: dict[Language, str] = {"en": "and", "fr": "et"}
MAX_OBJECTS = 3

HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    {
        ("purple", "circle"),
        ("orange", "square"),
        ("blue", "triangle"),
        ("yellow", "diamond"),
        ("green", "star"),
        ("red", "cross"),
        ("pink", "ring"),
        ("cyan", "heart"),
    }
)
"""(colour, shape) pairs in no training example; no colour and no shape loses more than one."""

SIDE = 64
QUADRANT = SIDE // 2
RADIUS_PX = {"small": 8.0, "big": 13.0}
SUPERSAMPLING = 4

MAX_SHIFT_PX = 2.0
MAX_SCALING = 0.12
MAX_TURN_DEGREES = 10.0
MAX_SHADING = 15
"""Largest change of a colour channel in a jittered drawing, of 255; colours lie 90 and more apart."""

Pairs = Literal["train", "composed", "any"]


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One coloured shape in one quadrant."""

    shape: str
    colour: str
    size: str
    position: str

    def __post_init__(self) -> None:
        for name, known in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES), ("position", POSITIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class Scene:
    """One to three objects in reading order, at most one in a quadrant, no two alike in both shape and colour."""

    objects: tuple[SceneObject, ...]

    def __post_init__(self) -> None:
        places = [POSITIONS.index(item.position) for item in self.objects]
        if not 1 <= len(self.objects) <= MAX_OBJECTS:
            raise ValueError(f"a scene holds 1 to {MAX_OBJECTS} objects, got {len(self.objects)}")
        if places != sorted(set(places)):
            found = ", ".join(item.position for item in self.objects)
            raise ValueError(f"objects must stand in reading order, one in a quadrant, got {found}")
        if len({(item.colour, item.shape) for item in self.objects}) < len(self.objects):
            raise ValueError("no two objects may share both shape and colour; change one of them")

    @classmethod
    def of(cls, objects: Iterable[SceneObject]) -> Scene:
        """The scene of objects given in any order."""
        return cls(tuple(sorted(objects, key=lambda item: POSITIONS.index(item.position))))


def describe_object(item: SceneObject, language: Language = "en") -> str:
    if language == "fr":
        return french_object(size=item.size, colour=item.colour, shape=item.shape, position=item.position)
    return f"{item.size} {item.colour} {item.shape} {item.position}"


def describe(scene: Scene, language: Language = "en") -> str:
    """The canonical words: "big red circle top left and small blue ring bottom right"."""
    return f" {AND[language]} ".join(describe_object(item, language) for item in scene.objects)


def parse_description(words: str, language: Language = "en") -> Scene | None:
    """The scene that canonical words describe, objects in any order; None where they describe none."""
    objects = []
    for phrase in words.split(f" {AND[language]} "):
        parsed = parse_french_object(phrase.strip()) if language == "fr" else _parse_object(phrase.strip())
        if parsed is None:
            return None
        try:
            objects.append(SceneObject(**parsed))
        except ValueError:
            return None
    try:
        return Scene.of(objects)
    except ValueError:
        return None


def _parse_object(phrase: str) -> dict[str, str]:
    size, _, rest = phrase.partition(" ")
    colour, _, rest = rest.partition(" ")
    shape, _, position = rest.partition(" ")
    return {"shape": shape, "colour": colour, "size": size, "position": position}


def random_scene(rng: np.random.Generator, *, num_objects: int, pairs: Pairs) -> Scene:
    """A scene of objects drawn evenly; "composed" holds exactly one held-out pair, "train" none."""
    if not 1 <= num_objects <= MAX_OBJECTS:
        raise ValueError(f"num_objects must be 1 to {MAX_OBJECTS}, got {num_objects}")
    held_out = sorted(HELD_OUT_PAIRS)
    chosen = [held_out[rng.integers(len(held_out))]] if pairs == "composed" else []
    while len(chosen) < num_objects:
        pair = (COLOURS[rng.integers(len(COLOURS))], SHAPES[rng.integers(len(SHAPES))])
        if pair not in chosen and (pairs == "any" or pair not in HELD_OUT_PAIRS):
            chosen.append(pair)
    places = rng.permutation(len(POSITIONS))[:num_objects]
    return Scene.of(
        SceneObject(shape=shape, colour=colour, size=SIZES[rng.integers(len(SIZES))], position=POSITIONS[place])
        for (colour, shape), place in zip(chosen, places, strict=True)
    )


def quadrant_box(position: str) -> tuple[float, float, float, float]:
    """Where a position is: left, top, right and bottom as shares of the sides."""
    row, column = divmod(POSITIONS.index(position), 2)
    return column / 2, row / 2, (column + 1) / 2, (row + 1) / 2


def render(scene: Scene, *, jitter: np.random.Generator | None = None) -> Image:
    """The scene as a 64x64 picture: canonical, or moved, turned, scaled and shaded by `jitter`; about 0.3 ms."""
    paper = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for item in scene.objects:
        row, column = divmod(POSITIONS.index(item.position), 2)
        rgb = np.asarray(RGB[item.colour], np.float32)
        if jitter is None:
            alpha = _canonical_coverage(item.shape, item.size)
        else:
            shift_x, shift_y, scaling, turn = jitter.uniform(-1, 1, 4)
            radius_px = RADIUS_PX[item.size] * (1 + MAX_SCALING * scaling)
            shift_px = (MAX_SHIFT_PX * shift_x, MAX_SHIFT_PX * shift_y)
            alpha = coverage(item.shape, radius_px=radius_px, turn_degrees=MAX_TURN_DEGREES * turn, shift_px=shift_px)
            rgb = np.clip(rgb + jitter.uniform(-MAX_SHADING, MAX_SHADING, 3), 0, 255).astype(np.float32)
        drawn = np.rint(255 - alpha[..., None] * (255 - rgb)).astype(np.uint8)
        top, left = row * QUADRANT, column * QUADRANT
        paper[top : top + QUADRANT, left : left + QUADRANT] = drawn
    return Image(torch.from_numpy(paper).permute(2, 0, 1).contiguous())


def coverage(
    shape: str, *, radius_px: float, turn_degrees: float = 0.0, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Float32[np.ndarray, "32 32"]:
    """How much of each pixel of a quadrant a shape covers, in sixteenths; it is moved back where it would stick out."""
    angle = math.radians(turn_degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    points = radius_px * (_outline(shape) @ turn) + QUADRANT / 2 + np.asarray(shift_px)
    low, high = points.min(axis=0), points.max(axis=0)
    inside = np.maximum(0.5 - low, 0) - np.maximum(high - (QUADRANT - 0.5), 0)
    mask = PillowImage.new("L", (QUADRANT * SUPERSAMPLING, QUADRANT * SUPERSAMPLING))
    pen = ImageDraw.Draw(mask)
    # Pillow fills pixels by their centres; -0.5 moves centres to our corner-based coordinates.
    pen.polygon(((points + inside) * SUPERSAMPLING - 0.5).ravel().tolist(), fill=1)
    if shape == "ring":
        hole = RING_HOLE * (points - points.mean(axis=0)) + points.mean(axis=0)
        pen.polygon(((hole + inside) * SUPERSAMPLING - 0.5).ravel().tolist(), fill=0)
    fine = np.asarray(mask, np.float32).reshape(QUADRANT, SUPERSAMPLING, QUADRANT, SUPERSAMPLING)
    return np.asarray(fine.mean(axis=(1, 3)), np.float32)


RING_HOLE = 0.55
"""Inner radius of a ring, of its outer one."""


@functools.cache
def _canonical_coverage(shape: str, size: str) -> Float32[np.ndarray, "32 32"]:
    return coverage(shape, radius_px=RADIUS_PX[size])


@functools.cache
def _outline(shape: str) -> np.ndarray:
    """Corners (K, 2) of a shape within the square -1..1, x to the right, y down."""
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    if shape in ("circle", "ring"):
        return np.stack([np.cos(around), np.sin(around)], axis=1)
    if shape == "square":
        return 0.86 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    if shape == "triangle":
        return np.array([[0.0, -0.9], [1.0, 0.8], [-1.0, 0.8]])
    if shape == "diamond":
        return np.array([[0.0, -1.0], [0.7, 0.0], [0.0, 1.0], [-0.7, 0.0]])
    if shape == "star":
        tips = np.pi * np.arange(10) / 5
        radius = np.where(np.arange(10) % 2 == 0, 1.05, 0.44)
        return np.stack([radius * np.sin(tips), 0.05 - radius * np.cos(tips)], axis=1)
    if shape == "cross":
        a, b = 0.95, 0.32
        return np.array(
            [[-b, -a], [b, -a], [b, -b], [a, -b], [a, b], [b, b], [b, a], [-b, a], [-b, b], [-a, b], [-a, -b], [-b, -b]]
        )
    assert shape == "heart"
    x = np.sin(around) ** 3
    y = -(13 * np.cos(around) - 5 * np.cos(2 * around) - 2 * np.cos(3 * around) - np.cos(4 * around)) / 16
    return np.stack([x, y - 0.05], axis=1)
