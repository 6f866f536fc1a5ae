"""Emoji in colours that they never have, with captions: "a blue cat", "a purple hamburger".

Words and pictures come in pairs of an attribute and an object, so that unseen pairs can be asked for and scored: of the
eight colours every emoji lacks three in all training pictures, by enumeration, and every colour lacks three eighths of
the emoji. One of eight was rejected: so few were unseen, and so easy, that nothing could be told of what helps. A
picture is tinted along its own lightness, dark strokes staying dark and lights turning to white, so that eyes and
outlines survive; turning the hue alone was rejected, for it leaves grey, black and white emoji as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image as PillowImage

from omniloom.data.emoji import pictures as source
from omniloom.data.emoji.table import NAMES
from omniloom.stream.parts import Image

SIDE = 32
RGB: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (245, 130, 20),
    "yellow": (245, 205, 30),
    "green": (50, 160, 65),
    "cyan": (30, 190, 205),
    "blue": (45, 85, 215),
    "purple": (135, 60, 190),
    "pink": (245, 130, 185),
}
COLOURS = tuple(RGB)
NATURAL = "natural"
"""The emoji as it is; a caption then names no colour."""
TINTS = (*COLOURS, NATURAL)

_OBJECTS = """
airplane, apple, balloon, banjo, bear, beetle, bicycle, bird, bomb, bus, butterfly, cactus, camera, castle, cat, chair
chicken, cow, crown, dinosaur, dog, dolphin, dragon, dress, duck, elephant, fish, flamingo, fox, frog, ghost, guitar
hamburger, helicopter, horse, house, ice cream, key, lion, lobster, monkey, mushroom, octopus, owl, palm tree, panda
pear, penguin, pig, pumpkin, rabbit, robot, rocket, rose, sailboat, shark, skull, snail, snake, strawberry, teapot
tractor, tulip, umbrella, violin, whale
"""
OBJECTS: tuple[str, ...] = tuple(name for line in _OBJECTS.strip().splitlines() for name in line.split(", "))
"""The emoji that are drawn in colours unless others are asked for: those whose outline alone tells what they are."""

NUM_LACKED = 3
"""Colours that an emoji has in no training picture."""
_STRIDE = 3
"""Odd, so that of eight neighbours in the list each colour is lacked by equally many."""
HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    (COLOURS[_STRIDE * (index + step) % len(COLOURS)], name)
    for index, name in enumerate(dict.fromkeys((*OBJECTS, *NAMES)))
    for step in range(NUM_LACKED)
)
"""(colour, name) pairs in no training picture."""

Pairs = Literal["train", "composed", "any"]

CANONICAL_PX = 28
SCALES_PX = (26, 30)
SHIFT_PX = 1
SHADING = 12
"""Largest change of a channel of the tint, of 255."""

TEMPLATES = ("{}", "a picture of {}", "{} on white", "draw {}")
"""The first is the canonical caption."""

_NO_ARTICLE = frozenset(
    {"beer", "blueberries", "bowling", "bread", "broccoli", "cherries", "fire", "french fries", "glasses", "grapes"}
    | {"headphones", "honey", "jeans", "lightning", "popcorn", "scissors", "socks", "spaghetti", "sunglasses"}
    | {"tennis", "wine", "yarn"}
)
_DARKEST, _PALEST = 0.18, 0.80
"""How far towards black and white the tint's ramp goes."""


@dataclass(frozen=True, kw_only=True)
class ColouredEmoji:
    """An emoji in one of `TINTS`."""

    name: str
    tint: str = NATURAL

    def __post_init__(self) -> None:
        if self.name not in NAMES or self.tint not in TINTS:
            raise ValueError(f"there is no {self.tint!r} {self.name!r}; tints are {', '.join(TINTS)}, names in NAMES")

    @property
    def phrase(self) -> str:
        """The words with their article: "an orange cat"."""
        words = self.name if self.tint == NATURAL else f"{self.tint} {self.name}"
        if self.name in _NO_ARTICLE:
            return words
        return f"{'an' if words[0] in 'aeiou' and not words.startswith('uni') else 'a'} {words}"


def coloured_pairs(pairs: Pairs, names: tuple[str, ...] = OBJECTS) -> list[ColouredEmoji]:
    """Every emoji of these names in every tint ("any"), without the held-out pairs ("train"), or those alone."""
    found = [ColouredEmoji(name=name, tint=tint) for name in names for tint in TINTS]
    if pairs == "any":
        return found
    return [item for item in found if ((item.tint, item.name) in HELD_OUT) == (pairs == "composed")]


def caption(item: ColouredEmoji, random: np.random.Generator | None = None) -> str:
    """The canonical words, or one of `TEMPLATES` by chance, half of them the canonical one."""
    if random is None or random.random() < 0.5:
        return item.phrase
    return TEMPLATES[int(random.integers(1, len(TEMPLATES)))].format(item.phrase)


def render_coloured(item: ColouredEmoji, random: np.random.Generator | None = None) -> Image:
    """A picture of 32 x 32 pixels on white: the canonical one, or moved, scaled, mirrored and shaded a little."""
    scale, x, y = CANONICAL_PX, (SIDE - CANONICAL_PX) // 2, (SIDE - CANONICAL_PX) // 2
    is_mirrored, shading = False, np.zeros(3, np.float32)
    if random is not None:
        scale = int(random.integers(SCALES_PX[0], SCALES_PX[1] + 1))
        room = SIDE - scale
        x, y = (int(np.clip(room // 2 + step, 0, room)) for step in random.integers(-SHIFT_PX, SHIFT_PX + 1, 2))
        is_mirrored = bool(random.random() < 0.5)
        shading = random.uniform(-SHADING, SHADING, 3).astype(np.float32)
    rgba = _scaled(item.name, scale)
    ink, opacity = rgba[..., :3], rgba[..., 3:]
    if item.tint != NATURAL:
        tint = (np.asarray(RGB[item.tint], np.float32) + shading).clip(0, 255) / 255
        ink = _tinted(_lightness(item.name, scale), tint)
    drawn = 1 - opacity * (1 - ink)
    sheet = np.ones((SIDE, SIDE, 3), np.float32)
    sheet[y : y + scale, x : x + scale] = drawn[:, ::-1] if is_mirrored else drawn
    return Image(torch.from_numpy(np.rint(sheet * 255).astype(np.uint8)).permute(2, 0, 1).contiguous())


def _tinted(lightness: Float32[np.ndarray, "H W"], tint: Float32[np.ndarray, " 3"]) -> Float32[np.ndarray, "H W 3"]:
    """From a dark shade of the tint at 0, through the tint at the middle, to a pale one at 1."""
    low = np.minimum(2 * lightness, 1)[..., None]
    high = np.maximum(2 * lightness - 1, 0)[..., None]
    return np.asarray(tint * (_DARKEST + (1 - _DARKEST) * low) + (1 - tint) * _PALEST * high, np.float32)


@lru_cache(maxsize=16384)
def _scaled(name: str, side: int) -> Float32[np.ndarray, "H W 4"]:
    picture = source.pictures()[name].resize((side, side), PillowImage.Resampling.LANCZOS)
    return np.asarray(picture, np.float32) / 255


@lru_cache(maxsize=16384)
def _lightness(name: str, side: int) -> Float32[np.ndarray, "H W"]:
    """Of each pixel, stretched to 0..1 and bent so that the middle one of the emoji's own is at the middle."""
    rgba = _scaled(name, side)
    luma = rgba[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    own = luma[rgba[..., 3] > 0.5]
    low, middle, high = np.quantile(own, (0.02, 0.5, 0.98)) if own.size else (0.0, 0.5, 1.0)
    stretched = ((luma - low) / max(high - low, 1e-3)).clip(0, 1)
    centre = float(np.clip((middle - low) / max(high - low, 1e-3), 0.1, 0.9))
    return np.asarray(stretched ** (np.log(0.5) / np.log(centre)), np.float32)
