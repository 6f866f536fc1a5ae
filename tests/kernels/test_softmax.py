"""Softmax and log-softmax are torch's, more exactly, by every method and on every instruction set."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from omniloom.kernels.softmax import log_softmax, softmax
from omniloom.kernels.softmax.operator import Method, run_method

pytestmark = pytest.mark.usefixtures("isa")

INFINITY, GREATEST = math.inf, torch.finfo(torch.float32).max
METHODS = [Method.AUTOMATIC, Method.STORED, Method.TWO_PASS, Method.THREE_PASS]
TINIEST = 2.0**-126

SPECIAL = {
    "masked first": [-INFINITY, -INFINITY, 0.0, 1.0],
    "masked last": [0.5, 1.0, -INFINITY],
    "all masked": [-INFINITY] * 5,
    "greatest": [GREATEST, -GREATEST, GREATEST],
    "least": [-GREATEST] * 4,
    "least and masked": [-GREATEST, -INFINITY],
    "greatest among small": [GREATEST, 1.0, 2.0],
    "NaN": [1.0, math.nan, 2.0],
    "infinite": [INFINITY, 1.0],
    "infinite and masked": [-INFINITY, INFINITY],
    "above what pairs hold": [20000.0, 20001.0],
    "below what pairs hold": [-30000.0, -30001.0],
    "at the edge of pairs": [-16500.0, -16400.0, -16383.0],
    "huge": [1e30, 1e30, -INFINITY],
    "rising": [40.0 * i for i in range(300)],
    "falling": [-40.0 * i for i in range(300)],
}


def by_method(rows: Tensor, method: Method) -> Tensor:
    out = torch.full_like(rows, math.nan)
    run_method(rows, out=out, method=method)
    return out


def random_rows(*shape: int, scale: float = 3.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(shape[-1])) * scale


def assert_exact(found: Tensor, rows: Tensor) -> None:
    """What the header promises of methods that round x - largest."""
    want = rows.double().softmax(-1)
    distance = (rows.amax(-1, keepdim=True) - rows).double().clamp(max=1000)
    allowed = (1e-6 + 6e-8 * distance) * want + TINIEST
    assert ((found.double() - want).abs() <= allowed).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_remainder(method: Method) -> None:
    for count in [*range(1, 140), 255, 1000, 16383, 16384, 16385]:
        rows = random_rows(3, count)
        assert_exact(by_method(rows, method), rows)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [65536, 65537, 3 * 65536 - 1])
def test_rows_of_several_pieces(method: Method, count: int) -> None:
    rows = random_rows(1, count)
    assert_exact(by_method(rows, method), rows)
    rows[:, :70000] = -INFINITY
    rows[:, -1] = 3.0
    assert_exact(by_method(rows, method), rows)


def test_two_passes_are_within_1e6_of_small_results_too() -> None:
    rows = random_rows(2, 5000, scale=10.0)
    want = rows.double().softmax(-1)
    error = (by_method(rows, Method.TWO_PASS).double() / want - 1).abs()
    assert error.max() <= 1e-6


@pytest.mark.parametrize("method", METHODS[1:])
def test_the_error_does_not_grow_with_the_row(method: Method) -> None:
    rows = random_rows(1, 1 << 21, scale=1.0)
    error = (by_method(rows, method).double() / rows.double().softmax(-1) - 1).abs()
    assert error.max() <= 1e-6 + 6e-8 * 11


@pytest.mark.parametrize("padding", [0, 1, 61, 200])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_values_are_those_of_torch(name: str, padding: int) -> None:
    rows = torch.tensor([SPECIAL[name] + [SPECIAL[name][0]] * padding, [0.0] * (len(SPECIAL[name]) + padding)])
    want = rows.double().softmax(-1).float()
    if not want.isfinite().all():
        want = rows.softmax(-1)
    for method in METHODS:
        found = by_method(rows, method)
        torch.testing.assert_close(found, want, rtol=1e-6, atol=TINIEST, equal_nan=True)
        assert (found[rows == -INFINITY].isnan() | (found[rows == -INFINITY] == 0)).all()
    torch.testing.assert_close(log_softmax(rows), rows.log_softmax(-1), rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 63, 64, 65, 1000, 65537, 150_000])
def test_log_softmax(count: int) -> None:
    rows = random_rows(2, count)
    want = rows.double().log_softmax(-1)
    assert ((log_softmax(rows).double() - want).abs() <= 5e-7 * (1 + want.abs())).all()


def test_log_softmax_of_large_numbers_loses_nothing() -> None:
    rows = torch.tensor([[10_000.0, 10_001.0, 9_990.0], [-10_000.0, -10_001.0, -10_002.0]])
    torch.testing.assert_close(log_softmax(rows), rows.double().log_softmax(-1).float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [5, 100, 70_000])
def test_unaligned_memory_and_the_input_as_output(method: Method, count: int) -> None:
    for offset in (1, 3, 7):
        memory = torch.full((2 * count + 16,), 7.0)
        rows = memory[offset : offset + 2 * count].view(2, count)
        rows.copy_(random_rows(2, count))
        want = by_method(rows.clone(), method)
        run_method(rows, out=rows, method=method)
        torch.testing.assert_close(rows, want, rtol=2e-6, atol=0)
        assert (memory[:offset] == 7).all() and (memory[offset + 2 * count :] == 7).all()


def test_streamed_outputs_at_any_alignment() -> None:
    count = 1 << 22
    rows = random_rows(1, count, scale=1.0)
    memory = torch.full((count + 40,), 7.0)
    for offset in (0, 5):
        out = memory[offset : offset + count].view(1, count)
        softmax(rows, out=out)
        assert_exact(out, rows)
        assert (memory[offset + count :] == 7).all()
        memory.fill_(7.0)


def test_strided_empty_and_other_inputs_are_as_in_torch() -> None:
    rows = random_rows(6, 40)
    for tensor in (rows.T, rows[:, ::3], rows[None].expand(2, 6, 40), rows[0], rows.view(2, 3, 40).transpose(0, 1)):
        torch.testing.assert_close(softmax(tensor), tensor.softmax(-1), rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(log_softmax(tensor), tensor.log_softmax(-1), rtol=1e-6, atol=1e-6)
    for shape in ((0,), (3, 0), (0, 3), ()):
        assert torch.equal(softmax(torch.zeros(shape)), torch.zeros(shape).softmax(-1))
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        assert torch.equal(softmax(rows.to(dtype)), rows.to(dtype).softmax(-1))
    with pytest.raises(RuntimeError, match=r"softmax takes float32, .* got Long; convert it with .float\(\)"):
        torch.ops.omniloom.softmax(torch.ones(3, dtype=torch.int64))


def test_an_output_that_does_not_fit_is_refused() -> None:
    rows = random_rows(2, 8)
    for out in (torch.empty(2, 7), torch.empty(2, 8, dtype=torch.float64), torch.empty(8, 2).T):
        with pytest.raises(ValueError, match=r"out must be contiguous, torch.float32 of shape \(2, 8\)"):
            softmax(rows, out=out)
    with pytest.raises(ValueError, match="out= has no gradient"):
        log_softmax(rows.requires_grad_(), out=torch.empty(2, 8))
    for dtype in (torch.float32, torch.float64):
        out = torch.empty(2, 8, dtype=dtype)
        assert softmax(rows.detach().to(dtype), out=out) is out
        torch.testing.assert_close(out, rows.detach().to(dtype).softmax(-1))


def test_threads_change_nothing_to_the_bit() -> None:
    tensors = [random_rows(1, 200_000), random_rows(5, 70_000)]
    alone = [(by_method(rows, method), log_softmax(rows)) for rows in tensors for method in METHODS]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = [(by_method(rows, method), log_softmax(rows)) for rows in tensors for method in METHODS]
    finally:
        torch.set_num_threads(before)
    for one, two in zip(alone, together, strict=True):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(one, two, strict=True))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 1024, 5000, 16_384, 20_000, 65_536])
def test_a_row_is_the_same_to_the_bit_alone_and_among_others(count: int) -> None:
    rows = random_rows(5, count)
    rows[1, : count // 2] = -INFINITY
    rows[2, -1] = math.nan
    rows[3] *= 100
    together = softmax(rows)
    for row, found in zip(rows, together, strict=True):
        assert torch.equal(softmax(row).view(torch.int32), found.view(torch.int32))
    assert torch.equal(softmax(rows).view(torch.int32), together.view(torch.int32))
    assert_exact(together[[0, 1, 3, 4]], rows[[0, 1, 3, 4]])


@pytest.mark.parametrize("level", [-1e4, -61.0, -23.0, -17.0, 0.0, 15.0, 59.0, 1e4])
@pytest.mark.parametrize("largest", [0.0, 40.0, 70.0, 90.0, 1000.0])
def test_rows_at_any_level_whose_largest_comes_late(level: float, largest: float) -> None:
    rows = random_rows(3, 70_000, scale=1.0) + level
    rows[0, 50] += largest
    rows[1, -1] += largest
    rows[2, 66_000] += largest
    for found in (softmax(rows), softmax(rows[:, -300:])):
        assert_exact(found, rows[:, -found.shape[-1] :])


@pytest.mark.parametrize("ours", [softmax, log_softmax])
def test_gradients(ours) -> None:
    rows = random_rows(3, 7).double().requires_grad_()
    assert torch.autograd.gradcheck(ours, (rows,))
    assert torch.autograd.gradgradcheck(ours, (rows,))
    narrow = rows.detach().float().requires_grad_()
    weights = torch.randn(3, 7)
    (ours(narrow) * weights).sum().backward()
    (getattr(torch, ours.__name__)(rows, -1) * weights).sum().backward()
    torch.testing.assert_close(narrow.grad, rows.grad.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:There is a performance drop")
@pytest.mark.parametrize("ours", [softmax, log_softmax])
def test_transforms_of_functions(ours) -> None:
    rows, tangent = random_rows(3, 7), random_rows(3, 7).cos()
    theirs = partial(getattr(torch, ours.__name__), dim=-1)
    for transformed in (
        lambda call: torch.func.grad(lambda x: (call(x) ** 2).sum())(rows),
        lambda call: torch.func.jvp(call, (rows,), (tangent,))[1],
        lambda call: torch.func.vmap(call)(rows),
    ):
        torch.testing.assert_close(transformed(ours), transformed(theirs))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_operators_are_sound(name: str) -> None:
    for rows in (random_rows(2, 9).requires_grad_(), random_rows(9, 2).T):
        torch.library.opcheck(getattr(torch.ops.omniloom, name).default, (rows,))
    torch.library.opcheck(getattr(torch.ops.omniloom, f"{name}_out").default, (random_rows(2, 9), torch.empty(2, 9)))


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_exported() -> None:
    def call(rows: Tensor) -> tuple[Tensor, Tensor]:
        return softmax(rows * 2), log_softmax(rows.transpose(0, 1))

    rows = random_rows(4, 33)
    for found in (
        torch.compile(call, fullgraph=True)(rows),
        torch.export.export(_Module(call), (rows,)).module()(rows),
    ):
        for mine, theirs in zip(found, call(rows), strict=True):
            assert torch.equal(mine, theirs)


class _Module(torch.nn.Module):
    def __init__(self, call) -> None:
        super().__init__()
        self.call = call

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.call(rows)
