"""One emoji on plain paper, 64 pixels a side: as a user shows it, anywhere and of any size, and as the assistant draws.

A drawing has few forms on purpose, each with one right picture. The plain one is 48 pixels in the middle. The small
ones are 32 pixels, in the middle or in a quarter of the sheet: all of these lie alike on the 16-pixel grid of the image
codec, so that they share their codes as the shapes of scenes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image as PillowImage

from omniloom.data.emoji import pictures as source
from omniloom.data.emoji.table import NAMES
from omniloom.stream.parts import Image

SIDE = 64
SCALES_PX = (28, 56)
"""Smallest and largest side of an emoji that is shown."""
PLAIN_PX, SMALL_PX = 48, 32

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
PALE: tuple[Colour, ...] = ((255, 245, 215), (225, 245, 225), (220, 235, 255), (250, 225, 240), (235, 235, 235))
"""Papers that users show emoji on, beside white."""
BACKGROUNDS = (WHITE, *PALE)

CORNERS = ("top left", "top right", "bottom left", "bottom right")
PLAIN, SMALL = "plain", "small"
FORMS = (PLAIN, SMALL, *CORNERS)

DRAWN_SHARE = 0.4
"""Of the pictures that the image codec learns from; the small forms have the same codes in every place."""


@dataclass(frozen=True, kw_only=True)
class Sticker:
    """An emoji by name, `scale` pixels a side, its left upper corner at (`x`, `y`), on paper of one colour."""

    name: str
    scale: int
    x: int
    y: int
    background: Colour = WHITE

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"there is no emoji named {self.name!r}; see omniloom.data.emoji.NAMES")
        if self.scale < 1 or min(self.x, self.y) < 0 or max(self.x, self.y) + self.scale > SIDE:
            raise ValueError(f"{self.name} of {self.scale} pixels at ({self.x}, {self.y}) is not within the sheet")

    @property
    def quarter(self) -> str:
        """The quarter of the sheet in which its middle lies."""
        row, column = (2 * place + self.scale >= SIDE for place in (self.y, self.x))
        return CORNERS[2 * row + column]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What the assistant draws: an emoji in one of `FORMS`."""

    name: str
    form: str = PLAIN

    def __post_init__(self) -> None:
        if self.name not in NAMES or self.form not in FORMS:
            raise ValueError(f"there is no drawing of {self.name!r} in the form {self.form!r}; forms are {FORMS}")

    @property
    def sticker(self) -> Sticker:
        """Where and how large it is drawn."""
        if self.form == PLAIN:
            return Sticker(name=self.name, scale=PLAIN_PX, x=(SIDE - PLAIN_PX) // 2, y=(SIDE - PLAIN_PX) // 2)
        if self.form == SMALL:
            return Sticker(name=self.name, scale=SMALL_PX, x=(SIDE - SMALL_PX) // 2, y=(SIDE - SMALL_PX) // 2)
        row, column = divmod(CORNERS.index(self.form), 2)
        return Sticker(name=self.name, scale=SMALL_PX, x=column * SMALL_PX, y=row * SMALL_PX)


def describe_drawing(drawing: Drawing) -> str:
    """The canonical words: "cat", "small cat", "cat top left"."""
    if drawing.form == PLAIN:
        return drawing.name
    return f"small {drawing.name}" if drawing.form == SMALL else f"{drawing.name} {drawing.form}"


def render_sticker(sticker: Sticker) -> Image:
    """The sticker as a picture of 64 x 64 pixels."""
    paper = PillowImage.new("RGBA", (SIDE, SIDE), sticker.background)
    paper.alpha_composite(_scaled(sticker.name, sticker.scale), (sticker.x, sticker.y))
    return Image(torch.from_numpy(np.array(paper.convert("RGB"))).permute(2, 0, 1).contiguous())


def draw(drawing: Drawing) -> Image:
    """The one right picture of a drawing."""
    return render_sticker(drawing.sticker)


def random_sticker(name: str, random: np.random.Generator, *, background: Colour = WHITE) -> Sticker:
    """The emoji as a user might show it: somewhere on the sheet, of some size."""
    scale = int(random.integers(SCALES_PX[0], SCALES_PX[1] + 1))
    x, y = (int(place) for place in random.integers(0, SIDE - scale + 1, 2))
    return Sticker(name=name, scale=scale, x=x, y=y, background=background)


def training_picture(random: np.random.Generator) -> Image:
    """A named emoji for the image codec to learn from: as it is shown, or in a form in which it is drawn."""
    name = NAMES[int(random.integers(len(NAMES)))]
    if random.random() < DRAWN_SHARE:
        return draw(Drawing(name=name, form=(PLAIN, PLAIN, SMALL)[int(random.integers(3))]))
    return render_sticker(random_sticker(name, random))


@lru_cache(maxsize=4096)
def _scaled(name: str, side: int) -> PillowImage.Image:
    """Pillow weighs colours by their opacity here, so no dark rim comes of the transparent pixels."""
    return source.pictures()[name].resize((side, side), PillowImage.Resampling.LANCZOS)
