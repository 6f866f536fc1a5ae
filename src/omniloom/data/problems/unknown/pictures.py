"""Pictures that show nothing known: noise, stripes, gradients, scribbles, textures like those of a photo.

A look is how a picture is made, a palette is of what colours. *New* are looks that training never shows, *composed*
looks in palettes that they never have there.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import is_composed_asking
from omniloom.data.problems.templates import pick
from omniloom.data.scenes import SIDE
from omniloom.stream.parts import Image

PALETTES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "bright": ((0.0, 1.0), (0.7, 1.0), (0.7, 1.0)),
    "pale": ((0.0, 1.0), (0.1, 0.4), (0.85, 1.0)),
    "dark": ((0.0, 1.0), (0.3, 1.0), (0.05, 0.4)),
    "grey": ((0.0, 1.0), (0.0, 0.05), (0.1, 0.95)),
    "earth": ((0.03, 0.2), (0.3, 0.8), (0.25, 0.8)),
    "sea": ((0.4, 0.65), (0.3, 0.9), (0.3, 0.95)),
}
"""Where hue, saturation and value lie."""

NEW_LOOKS = ("checks", "rings", "waves")
"""Looks that training never shows."""

Picture = Float[np.ndarray, "64 64 3"]
Colours = Float[np.ndarray, "4 3"]
Look = Callable[[np.random.Generator, Colours], Picture]


def odd_picture(random: np.random.Generator, split: Split) -> tuple[Image, list[str]]:
    """A picture of nothing known, and its facts."""
    look, fact = odd_look(random, split)
    picture = Image(torch.from_numpy(look(random)).permute(2, 0, 1).contiguous())
    return picture, [f"rendering:{sha256(picture.pixels.numpy().tobytes()).hexdigest()[:16]}", fact]


def odd_look(
    random: np.random.Generator, split: Split
) -> tuple[Callable[[np.random.Generator], UInt8[np.ndarray, "64 64 3"]], str]:
    """Something that makes pictures of one look in one choice of colours, and the fact of it."""
    while True:
        name, palette = pick(random, sorted(LOOKS)), pick(random, sorted(PALETTES))
        is_new, is_composed = name in NEW_LOOKS, is_composed_asking("look", name, palette)
        if split == "new" and not is_new and random.random() < 0.7:
            continue
        if split != "new" and (is_new or is_composed != (split == "composed")):
            continue
        kind = "asking" if split == "composed" else "topic" if is_new else "look"
        return partial(_seen, LOOKS[name], _colours(random, palette)), f"{kind}:picture/{name}/{palette}"


def _colours(random: np.random.Generator, palette: str) -> Colours:
    hsv = [[random.uniform(*bounds) for bounds in PALETTES[palette]] for _ in range(4)]
    return np.array([colorsys.hsv_to_rgb(*colour) for colour in hsv])


def _seen(look: Look, colours: Colours, random: np.random.Generator) -> UInt8[np.ndarray, "64 64 3"]:
    return np.rint(255 * look(random, colours).clip(0, 1)).astype(np.uint8)


def _noise(random: np.random.Generator, colours: Colours) -> Picture:
    """Every block of pixels of a colour of its own."""
    block = pick(random, (1, 1, 2, 4, 8))
    side = SIDE // block
    chosen = colours[random.integers(0, 4, (side, side))] + random.normal(0, 0.15, (side, side, 3))
    return chosen.repeat(block, 0).repeat(block, 1)


def _gradient(random: np.random.Generator, colours: Colours) -> Picture:
    angle = random.uniform(0, 2 * np.pi)
    x, y = _plane()
    return _blend((np.cos(angle) * x + np.sin(angle) * y + 1.5) / 3, colours)


def _radial(random: np.random.Generator, colours: Colours) -> Picture:
    return _blend(_distance(random) / 1.8, colours)


def _stripes(random: np.random.Generator, colours: Colours) -> Picture:
    angle, width = random.uniform(0, np.pi), random.uniform(0.08, 0.5)
    x, y = _plane()
    return colours[np.floor((np.cos(angle) * x + np.sin(angle) * y + 4) / width).astype(int) % 2]


def _checks(random: np.random.Generator, colours: Colours) -> Picture:
    width = int(random.integers(4, 17))
    rows, columns = np.indices((SIDE, SIDE)) // width
    return colours[(rows + columns) % 2]


def _rings(random: np.random.Generator, colours: Colours) -> Picture:
    return colours[np.floor(_distance(random) / random.uniform(0.1, 0.3)).astype(int) % 3]


def _waves(random: np.random.Generator, colours: Colours) -> Picture:
    x, y = _plane()
    height = np.sin(random.uniform(4, 12) * x) * random.uniform(0.05, 0.3)
    return colours[np.floor((y + height + 4) / random.uniform(0.15, 0.5)).astype(int) % 3]


def _texture(random: np.random.Generator, colours: Colours) -> Picture:
    """Smooth patches of several sizes, as in clouds or bark."""
    return _blend(_cloud(random), colours)


def _photo(random: np.random.Generator, colours: Colours) -> Picture:
    """Something like a sky, a ground and a few dark things between."""
    x, y = _plane()
    horizon = random.uniform(-0.4, 0.5) + 0.15 * np.sin(random.uniform(1, 5) * x + random.uniform(0, 6))
    sky = _blend((y + 1) / 2, colours[[0, 1, 0, 1]])
    ground = _blend(_cloud(random), colours[[2, 3, 2, 3]])
    picture = np.where((y > horizon)[..., None], ground, sky)
    for _ in range(int(random.integers(2, 6))):
        left, top = random.uniform(-1, 0.8), random.uniform(-0.8, 0.6)
        inside = (x > left) & (x < left + random.uniform(0.1, 0.5)) & (y > top) & (y < 0.9)
        picture = np.where(inside[..., None], 0.4 * picture, picture)
    return picture + random.normal(0, 0.03, picture.shape)


def _scribble(random: np.random.Generator, colours: Colours) -> Picture:
    """Lines drawn without a plan on white paper."""
    paper = PillowImage.new("RGB", (SIDE, SIDE), (255, 255, 255))
    pen = ImageDraw.Draw(paper)
    for _ in range(int(random.integers(1, 5))):
        steps = random.normal(0, 14, (int(random.integers(6, 25)), 2)).cumsum(0) + random.uniform(8, 56, 2)
        points = [tuple(point) for point in SIDE - 3 - np.abs(steps % (2 * SIDE - 8) - SIDE + 4)]
        colour = tuple(int(255 * channel) for channel in pick(random, list(colours)))
        pen.line(points, fill=colour, width=int(random.integers(1, 4)))
    return np.asarray(paper, np.float64) / 255


def _dots(random: np.random.Generator, colours: Colours) -> Picture:
    """Many small dots, in rows or anywhere."""
    x, y = _plane()
    picture = np.broadcast_to(colours[0], (SIDE, SIDE, 3)).copy()
    for _ in range(int(random.integers(20, 60))):
        near = (x - random.uniform(-1, 1)) ** 2 + (y - random.uniform(-1, 1)) ** 2 < random.uniform(0.04, 0.12) ** 2
        picture[near] = colours[1 + int(random.integers(3))]
    return picture


def _bricks(random: np.random.Generator, colours: Colours) -> Picture:
    height, width = int(random.integers(5, 11)), int(random.integers(10, 20))
    rows, columns = np.indices((SIDE, SIDE))
    columns = columns + rows // height % 2 * (width // 2)
    is_joint = (rows % height == 0) | (columns % width == 0)
    shade = random.normal(0, 0.06, (SIDE, SIDE))[rows // height, columns // width % SIDE]
    return np.where(is_joint[..., None], colours[1], colours[0] + shade[..., None])


LOOKS: dict[str, Look] = {
    "noise": _noise,
    "gradient": _gradient,
    "radial": _radial,
    "stripes": _stripes,
    "checks": _checks,
    "rings": _rings,
    "waves": _waves,
    "texture": _texture,
    "photo": _photo,
    "scribble": _scribble,
    "dots": _dots,
    "bricks": _bricks,
}


def _plane() -> tuple[Float[np.ndarray, "64 64"], Float[np.ndarray, "64 64"]]:
    """Columns and rows from -1 to 1."""
    steps = np.linspace(-1, 1, SIDE)
    return np.meshgrid(steps, steps)


def _distance(random: np.random.Generator) -> Float[np.ndarray, "64 64"]:
    x, y = _plane()
    return np.hypot(x - random.uniform(-0.5, 0.5), y - random.uniform(-0.5, 0.5))


def _cloud(random: np.random.Generator) -> Float[np.ndarray, "64 64"]:
    """Noise of several sizes added up, from 0 to 1."""
    total = np.zeros((SIDE, SIDE))
    for side in (3, 5, 9, 17):
        coarse = PillowImage.fromarray(random.uniform(0, 1, (side, side)).astype(np.float32))
        total += np.asarray(coarse.resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC)) * 3 / side
    return (total - total.min()) / (total.max() - total.min())


def _blend(share: Float[np.ndarray, "64 64"], colours: Colours) -> Picture:
    """The colours one after another, as the share goes from 0 to 1."""
    places = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(share, places, colours[:, channel]) for channel in range(3)], axis=-1)
