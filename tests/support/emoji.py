"""Emoji for tests that have no data folder: made-up pictures, each unlike the others, under the real names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from PIL import Image as PillowImage

from omniloom.core.randomness import generator
from omniloom.data.emoji import NAMES, pictures, reader, stickers

MARGIN_PX, TILE_PX, NUM_TILES = 4, 16, 4


@contextmanager
def made_up_emoji() -> Iterator[None]:
    """Sixteen tiles of colours of its own for each name, in place of the real picture."""
    made = _all_tiles()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "pictures", lambda: made)
        _forget()
        yield
    _forget()


@cache
def _all_tiles() -> dict[str, PillowImage.Image]:
    return {name: _tiles(name) for name in NAMES}


def _tiles(name: str) -> PillowImage.Image:
    colours = generator("made-up emoji", name).integers(0, 200, (NUM_TILES, NUM_TILES, 3), dtype=np.uint8)
    opaque = np.full((NUM_TILES, NUM_TILES, 1), 255, np.uint8)
    tiles = np.concatenate([colours, opaque], axis=2).repeat(TILE_PX, axis=0).repeat(TILE_PX, axis=1)
    return PillowImage.fromarray(np.pad(tiles, ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0))))


def _forget() -> None:
    """What was made of other pictures."""
    stickers._scaled.cache_clear()
    reader._known.cache_clear()
    reader._form_boxes.cache_clear()
