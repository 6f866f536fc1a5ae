"""Softmax with top-k is torch's pair, to the same bits on every instruction set."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from omniloom.kernels import native, softmax_topk
from omniloom.kernels.softmax_topk.operator import select_largest

pytestmark = pytest.mark.usefixtures("isa")

INFINITY, GREATEST = math.inf, torch.finfo(torch.float32).max
SIZES = [
    (1, 1),
    (2, 2),
    (63, 7),
    (64, 64),
    (65, 1),
    (127, 60),
    (1000, 50),
    (8191, 5),
    (8192, 5),
    (8193, 50),
    (20000, 700),
    (4095, 5),
    (4096, 5),
    (5000, 160),
    (5121, 161),
    (66_001, 50),
    (70_000, 2500),
]


def random_rows(*shape: int, scale: float = 3.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(shape[-1])) * scale


def wanted(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    found = rows.double().softmax(-1).sort(dim=-1, descending=True, stable=True)
    return found.values[..., :k], found.indices[..., :k]


@pytest.mark.parametrize(("count", "k"), SIZES)
def test_values_and_places(count: int, k: int) -> None:
    rows = random_rows(3, count)
    values, places = wanted(rows, k)
    found = softmax_topk(rows, k)
    assert torch.equal(found.indices, places)
    distance = (rows.amax(-1, keepdim=True) - rows).gather(-1, places).double()
    assert ((found.values - values).abs() <= (1e-6 + 6e-8 * distance) * values + 2.0**-126).all()
    largest = select_largest(rows, k)
    assert torch.equal(largest.indices, places) and torch.equal(largest.values, rows.gather(-1, places))


def test_every_instruction_set_gives_the_same_bits(isa: str) -> None:
    for count, k in SIZES:
        rows = random_rows(2, count)
        found = softmax_topk(rows, k)
        with native.forced("portable"):
            assert torch.equal(softmax_topk(rows, k).values, found.values)


def test_the_first_of_equal_numbers_counts_as_larger() -> None:
    rows = torch.tensor([[1.0, 3.0, 3.0, 2.0, 3.0] * 50, [0.0, -0.0] * 125])
    assert softmax_topk(rows, 4).indices.tolist() == [[1, 2, 4, 6], [0, 1, 2, 3]]
    assert torch.equal(softmax_topk(torch.zeros(1, 9000), 9000).indices[0], torch.arange(9000))
    assert torch.equal(softmax_topk(torch.zeros(1, 9000), 7).indices[0], torch.arange(7))


def test_groups_of_equal_masked_and_missing_numbers() -> None:
    rows = random_rows(8, 40_000)
    rows[0] = rows[0].round()
    rows[1] = rows[1].bfloat16().float()
    rows[2, 7:] = -INFINITY
    rows[3, : 40_000 - 30] = -INFINITY
    rows[4] = 1.0
    rows[5, 17::64] += 100.0
    rows[6, 30_000:31_024] += 100.0
    rows[7] = torch.where(rows[7] > 0, 0.0, -INFINITY)
    for k in (1, 5, 50, 300):
        values, places = wanted(rows, k)
        found = softmax_topk(rows, k)
        assert torch.equal(found.indices, places)
        torch.testing.assert_close(found.values, values.float(), rtol=8e-6, atol=0)
        assert torch.equal(select_largest(rows, k).indices, places)


@pytest.mark.parametrize("place", [0, 1023, 1024, 8191, 8192, 39_999])
@pytest.mark.parametrize("value", [math.nan, INFINITY])
def test_a_long_row_that_has_no_softmax_gives_nan(place: int, value: float) -> None:
    rows = random_rows(2, 40_000)
    rows[0, place] = value
    found = softmax_topk(rows, 5)
    assert found.values[0].isnan().all() and found.indices[0].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(found.indices[1], wanted(rows[1:], 5)[1][0])


@pytest.mark.parametrize("order", ["rising", "falling", "steep"])
def test_sorted_rows(order: str) -> None:
    rows = torch.arange(9000.0)[None] / (100 if order != "steep" else 0.01)
    rows = rows.flip(-1) if order == "falling" else rows
    values, places = wanted(rows, 50)
    found = softmax_topk(rows, 50)
    assert torch.equal(found.indices[values > 0], places[values > 0])
    torch.testing.assert_close(found.values, values.float(), rtol=2e-6, atol=1e-37)


@pytest.mark.parametrize("padding", [0, 1, 70, 200])
@pytest.mark.parametrize(
    "row",
    [
        [-INFINITY, -INFINITY, 0.0, 1.0],
        [-INFINITY] * 5,
        [GREATEST, -GREATEST, GREATEST],
        [-GREATEST] * 4,
        [-GREATEST, -INFINITY],
        [1.0, math.nan, 2.0],
        [INFINITY, 1.0],
        [-INFINITY, INFINITY],
        [1e30, 1e30, -INFINITY],
    ],
)
def test_special_values_are_those_of_torch(row: list[float], padding: int) -> None:
    rows = torch.tensor([row + [-INFINITY] * padding])
    for k in (1, len(row), len(row) + padding):
        found = softmax_topk(rows, k)
        want = rows.softmax(-1).sort(dim=-1, descending=True, stable=True)
        torch.testing.assert_close(found.values, want.values[:, :k], rtol=1e-6, atol=1e-38, equal_nan=True)
        assert len(set(found.indices[0].tolist())) == k
        torch.testing.assert_close(rows.softmax(-1).gather(-1, found.indices), found.values, equal_nan=True)


def test_strided_unaligned_empty_and_many_axes() -> None:
    rows = random_rows(6, 40)
    memory = torch.zeros(243)
    memory[3:] = rows.flatten()
    for tensor in (rows.T, rows[:, ::3], rows.view(2, 3, 40), rows[0], memory[3:].view(6, 40)):
        values, places = wanted(tensor, 3)
        assert torch.equal(softmax_topk(tensor, 3).indices, places)
        torch.testing.assert_close(softmax_topk(tensor, 3).values, values.float(), rtol=2e-6, atol=0)
    assert softmax_topk(torch.zeros(0, 5), 2).values.shape == (0, 2)


def test_what_does_not_fit_is_refused() -> None:
    for k in (0, 6, -1):
        with pytest.raises(ValueError, match=f"k must be from 1 to the row's length 5, got {k}"):
            softmax_topk(torch.zeros(2, 5), k)
        with pytest.raises(RuntimeError, match=f"k must be from 1 to the row's length 5, got {k}"):
            torch.ops.omniloom.softmax_topk(torch.zeros(2, 5), k)
    with pytest.raises(ValueError, match=r"input must be float32, got torch\.float64"):
        softmax_topk(torch.zeros(2, 5, dtype=torch.float64), 1)
    with pytest.raises(RuntimeError, match="top-k takes float32, got Double"):
        torch.ops.omniloom.softmax_topk(torch.zeros(2, 5, dtype=torch.float64), 1)
    with pytest.raises(RuntimeError, match="single number"):
        torch.ops.omniloom.softmax_topk(torch.tensor(1.0), 1)


def test_gradients_are_those_of_torch() -> None:
    weights = torch.randn(3, 4)
    grads = []
    for pair in (lambda rows: softmax_topk(rows, 4), lambda rows: rows.softmax(-1).topk(4)):
        rows = random_rows(3, 50).requires_grad_()
        (pair(rows)[0] * weights).sum().backward()
        grads.append(rows.grad)
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-7)


def test_the_operator_is_sound() -> None:
    torch.library.opcheck(torch.ops.omniloom.softmax_topk.default, (random_rows(2, 9).requires_grad_(), 3))
    torch.library.opcheck(torch.ops.omniloom.select_largest.default, (random_rows(2, 9), 3))


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_exported() -> None:
    class Pair(torch.nn.Module):
        def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
            values, places = softmax_topk(rows * 2, 3)
            return values, places

    rows = random_rows(4, 33)
    exported = torch.export.export(Pair(), (rows,)).module()
    for found in (torch.compile(Pair(), fullgraph=True)(rows), exported(rows)):
        for mine, theirs in zip(found, Pair()(rows), strict=True):
            assert torch.equal(mine, theirs)
