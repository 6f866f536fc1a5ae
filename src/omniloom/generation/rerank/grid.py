"""Pictures side by side as one PNG, a row for each caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from omniloom.stream.parts import Image

GAP_PX, LETTER_PX = 4, 14


def grid_of(rows: Sequence[tuple[str, Sequence[Image]]], *, cell_px: int = 96, titles: Sequence[str] = ()) -> Image:
    """One picture of rows of pictures, each after its caption; `titles` stand above the columns.

    Small pictures are enlarged without smoothing, so that every pixel of theirs can be seen.

    Raises:
        ValueError: If there is no picture.
    """
    if not any(images for _, images in rows):
        raise ValueError("a grid needs at least one picture")
    font = ImageFont.load_default(LETTER_PX)
    num_columns = max(len(images) for _, images in rows)
    words_px = max((int(font.getlength(caption)) for caption, _ in rows), default=0)
    words_px += 2 * GAP_PX if words_px else 0
    top_px = LETTER_PX + 2 * GAP_PX if titles else 0
    step = cell_px + GAP_PX
    sheet = PillowImage.new(
        "RGB", (words_px + num_columns * step + GAP_PX, top_px + len(rows) * step + GAP_PX), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        pen.text((words_px + GAP_PX + column * step, GAP_PX), title, fill="black", font=font)
    for row, (caption, images) in enumerate(rows):
        top = top_px + GAP_PX + row * step
        pen.text((GAP_PX, top + (cell_px - LETTER_PX) // 2), caption, fill="black", font=font)
        for column, image in enumerate(images):
            enlarged = image.to_pillow().resize((cell_px, cell_px), _scaling(image, cell_px))
            sheet.paste(enlarged, (words_px + GAP_PX + column * step, top))
    return Image(torch.from_numpy(np.array(sheet)).permute(2, 0, 1).contiguous())


def _scaling(image: Image, cell_px: int) -> PillowImage.Resampling:
    is_small = max(image.pixels.shape[1:]) <= cell_px
    return PillowImage.Resampling.NEAREST if is_small else PillowImage.Resampling.LANCZOS
