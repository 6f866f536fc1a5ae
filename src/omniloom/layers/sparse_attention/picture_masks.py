"""Row, column and convolutional masks over a stream of text and then a picture's codes, row by row.

Ramesh et al. 2021 (DALL·E), figure 11: text is causal, a code sees all text, and among the codes a layer sees those of
one pattern, itself among them and none that comes later:

    row           the `grid` codes before it in the stream: back to the one above it
    column        those above it in its column
    convolution   those of a square of `kernel` codes a side around it, as it lies in the stream: at the edges of the
                  picture the square goes on in the row beside it, as in the figure

They are given as boolean masks, which torch's fused attention takes, and whoever decodes from a cache uses a row of
them. Nothing is gained in time at 64 codes; kernels that skip what is masked pay from about a thousand. The figure
transposes the picture for the column mask, which serves only a GPU's memory and is left out.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

PictureMask = Literal["row", "column", "convolution", "full"]
"""`full` is the plain causal mask, to compare with."""


def published_order(num_layers: int) -> tuple[PictureMask, ...]:
    """The mask of each layer: row, column, row, row, over and over, and the last one convolutional.

    Appendix B.1, with layers from 1: column where (i - 2) mod 4 = 0, the convolution last, row elsewhere.

    Raises:
        ValueError: If there is no layer.
    """
    if num_layers < 1:
        raise ValueError(f"a model has at least 1 layer, got {num_layers}")
    order: list[PictureMask] = ["column" if layer % 4 == 2 else "row" for layer in range(1, num_layers)]
    return (*order, "convolution")


def visible(mask: PictureMask, *, num_text: int, grid: int, kernel: int = 11) -> Bool[Tensor, "T T"]:
    """What each of `num_text` + `grid`² positions (rows) sees of the others (columns).

    Raises:
        ValueError: If the kernel is even, or a size is below 1.
    """
    if kernel < 1 or kernel % 2 == 0 or min(num_text, grid) < 1:
        raise ValueError(f"kernel must be odd, sizes at least 1, got kernel {kernel}, text {num_text}, grid {grid}")
    total = num_text + grid**2
    causal = torch.ones(total, total, dtype=torch.bool).tril()
    if mask == "full":
        return causal
    places = torch.arange(grid**2)
    behind = places[:, None] - places[None, :]
    if mask == "row":
        seen = behind <= grid
    elif mask == "column":
        seen = behind % grid == 0
    else:
        reach = kernel // 2
        # A step of one row is `grid` places, so a square that leaves the picture goes on in the next row.
        steps = torch.arange(-reach, reach + 1)
        offsets = (steps[:, None] * grid + steps[None, :]).flatten()
        seen = torch.isin(behind, offsets)
    causal[num_text:, num_text:] &= seen
    return causal
