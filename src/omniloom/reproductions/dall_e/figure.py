"""The figure of `dall-e`: unseen pairs, each with its true picture, what the codecs make of that, and drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from omniloom.data.emoji.coloured import ColouredEmoji
from omniloom.evaluation.pictures import PictureRun
from omniloom.evaluation.pictures.measure import NUM_CANDIDATES, true_picture
from omniloom.generation.rerank import best_of, grid_of
from omniloom.stream.parts import Image

NUM_CAPTIONS, NUM_BEST = 10, 4


def figure_of(
    run: PictureRun,
    items: Sequence[ColouredEmoji],
    found: Sequence[Mapping[str, Any]],
    *,
    num_captions: int = NUM_CAPTIONS,
    seed: int = 0,
) -> Image:
    """A row for each of the first captions, as they were drawn by the seed; none was chosen for how it came out."""
    rows = []
    for item, _ in list(zip(items, found, strict=True))[:num_captions]:
        truth = Image((true_picture(item, seed) * 255).round().to(torch.uint8))
        after = [codec.decode(codec.encode(truth)) for codec in (run.dvae, run.fsq)]
        drawn = best_of(run.model, run.reranker, item.phrase, num_pictures=NUM_CANDIDATES, seed=seed)
        first = next(own.candidate for own in drawn if own.number == 0)
        rows.append((item.phrase, [truth, *after, first, *(own.candidate for own in drawn[:NUM_BEST])]))
    titles = ("true", "dVAE", "FSQ", "first", f"best of {NUM_CANDIDATES}", *("2nd", "3rd", "4th")[: NUM_BEST - 1])
    return grid_of(rows, titles=titles)
