"""Each mask against its definition, position by position, and the published order of the layers."""

from __future__ import annotations

import pytest
import torch

from omniloom.layers.sparse_attention import PictureMask, published_order, visible

TEXT, GRID, KERNEL = 3, 4, 3


def is_seen(mask: PictureMask, query: int, key: int) -> bool:
    """The definition, for two positions of a stream of `TEXT` tokens and 4 x 4 codes."""
    if key > query:
        return False
    if query < TEXT or key < TEXT or mask == "full":
        return True
    query, key = query - TEXT, key - TEXT
    if mask == "row":
        return query - key <= GRID
    if mask == "column":
        return query % GRID == key % GRID
    # The square around a code lies in the stream as three runs of three, a row of the picture apart.
    runs = [range(query + rows * GRID - 1, query + rows * GRID + 2) for rows in (-1, 0, 1)]
    return any(key in run for run in runs)


@pytest.mark.parametrize("mask", ["row", "column", "convolution", "full"])
def test_each_mask_is_its_definition(mask: PictureMask) -> None:
    found = visible(mask, num_text=TEXT, grid=GRID, kernel=KERNEL)
    total = TEXT + GRID**2
    expected = torch.tensor([[is_seen(mask, query, key) for key in range(total)] for query in range(total)])
    assert torch.equal(found, expected)


def test_the_row_mask_reaches_five_codes_in_the_published_figure() -> None:
    """Figure 11: of 4 x 4 codes, each sees five in the stream, itself and back to the one above."""
    seen = visible("row", num_text=6, grid=4)[6:, 6:].sum(1)
    assert seen.tolist() == [1, 2, 3, 4] + 12 * [5]


def test_a_published_kernel_on_a_published_grid() -> None:
    """11 x 11 around a code in the middle of 32 x 32: five rows of eleven before it, five beside it, and itself."""
    seen = visible("convolution", num_text=1, grid=32, kernel=11)[1:, 1:]
    assert int(seen[16 * 32 + 16].sum()) == 5 * 11 + 5 + 1


def test_layers_stand_in_the_published_order() -> None:
    order = published_order(64)
    assert order[:6] == ("row", "column", "row", "row", "row", "column")
    assert order[-2:] == ("row", "convolution")
    assert order.count("column") == 16
    assert published_order(1) == ("convolution",)


@pytest.mark.parametrize(("size", "kernel"), [(0, 3), (4, 2), (4, 0)])
def test_sizes_that_cannot_be_are_refused(size: int, kernel: int) -> None:
    with pytest.raises(ValueError, match="kernel must be odd"):
        visible("convolution", num_text=1, grid=size, kernel=kernel)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 layer"):
        published_order(0)
