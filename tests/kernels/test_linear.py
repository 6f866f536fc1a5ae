"""Products with packed weights equal those in float64, integers to the bit, on every instruction set."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omniloom.kernels import (
    PackedLinear,
    instruction_sets,
    int8_linear,
    int8_linear_shift,
    int8_matmul,
    linear,
    native,
    pack_linear,
    quantize_rows,
)
from omniloom.kernels.linear import reference

ISAS = list(instruction_sets())
NUM_ROWS = (0, 1, 2, 3, 6, 7, 12, 13, 25, 36)
SIZES = [(1, 1), (5, 7), (31, 4), (32, 33), (70, 66), (64, 0), (0, 8)]
# Of sums of K products of normal numbers: float32 keeps 24 bits, a stored bfloat16 8.
EPSILON = {torch.float32: 2.0**-22, torch.bfloat16: 2.0**-8}


def integers(*shape: int, dtype: torch.dtype = torch.int8) -> Tensor:
    limits = torch.iinfo(dtype)
    return torch.randint(limits.min, limits.max + 1, shape, dtype=dtype)


def close(found: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> None:
    wanted = input.double() @ weight.double().mT + (0 if bias is None else bias.double())
    largest = (input.double().abs() @ weight.double().abs().mT).max() if wanted.numel() and input.numel() else 0
    assert found.dtype == input.dtype
    epsilon = EPSILON[input.dtype]
    torch.testing.assert_close(found.double(), wanted, rtol=epsilon, atol=float(largest) * 2**-22 + 1e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("packed", [torch.float32, torch.bfloat16, torch.int8])
def test_equals_float64_at_every_size(isa: str, dtype: torch.dtype, packed: torch.dtype) -> None:
    with native.forced(isa):
        for num_outputs, num_inputs in SIZES:
            shape = (num_outputs, num_inputs)
            scales = torch.rand(num_outputs) + 0.5 if packed == torch.int8 else None
            weight = integers(*shape) if scales is not None else torch.randn(shape).to(packed)
            whole = pack_linear(weight, scales=scales)
            assert torch.equal(whole.dense(), weight)
            bias = torch.randn(num_outputs)
            scaled = weight if scales is None else weight.double() * scales[:, None]
            for num_rows in NUM_ROWS:
                input = torch.randn(num_rows, num_inputs).to(dtype)
                close(linear(input, whole, bias), input, scaled, bias)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8])
def test_integers_are_exact(isa: str, dtype: torch.dtype) -> None:
    with native.forced(isa):
        for num_outputs, num_inputs in SIZES:
            weight = integers(num_outputs, num_inputs)
            packed = pack_linear(weight)
            for num_rows in NUM_ROWS:
                input = integers(num_rows, num_inputs, dtype=dtype)
                for zero_point in (0, -7, 128):
                    wanted = (input.long() - zero_point) @ weight.long().mT
                    assert torch.equal(int8_matmul(input, packed, zero_point=zero_point), wanted.int())


@pytest.mark.parametrize("isa", ISAS)
def test_the_largest_integers_neither_saturate_nor_overflow(isa: str) -> None:
    with native.forced(isa):
        for value, dtype in ((-128, torch.int8), (127, torch.int8), (255, torch.uint8)):
            for of_weight in (-128, 127):
                input, weight = torch.full((3, 65_000), value, dtype=dtype), torch.full((33, 65_000), of_weight)
                found = int8_matmul(input, pack_linear(weight.to(torch.int8)))
                assert torch.equal(found, torch.full((3, 33), value * of_weight * 65_000, dtype=torch.int32))


@pytest.mark.parametrize("isa", ISAS)
def test_scales_of_tensors_rows_and_channels(isa: str) -> None:
    input, weight, bias = integers(14, 50), integers(40, 50), torch.randn(40)
    sums = (input.double() - 3) @ weight.double().mT
    with native.forced(isa):
        for scales in (torch.tensor(0.02), torch.rand(40)):
            packed = pack_linear(weight, scales=scales)
            for input_scale in (0.5, torch.rand(14)):
                rows = torch.as_tensor(input_scale).view(-1, 1).double()
                wanted = (sums * rows * scales + bias).float()
                found = int8_linear(input, packed, input_scale=input_scale, zero_point=3, bias=bias)
                torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-5)
                narrow = int8_linear(
                    input, packed, input_scale=input_scale, zero_point=3, bias=bias, dtype=torch.bfloat16
                )
                torch.testing.assert_close(narrow, found.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("isa", ISAS)
def test_powers_of_two_round_in_integers_ties_to_even(isa: str) -> None:
    weight = torch.eye(33, 40, dtype=torch.int8)
    input = integers(200, 40)
    bias = torch.arange(33, dtype=torch.int32) * 7 - 100
    shifts = torch.arange(33, dtype=torch.int32) % 32
    with native.forced(isa):
        for bits in (0, 1, 3, 31, shifts):
            found = int8_linear_shift(input, pack_linear(weight), shifts=bits, bias=bias)
            sums = input[:, :33].double() + bias
            wanted = torch.round(sums / 2.0 ** torch.as_tensor(bits)).clamp(-128, 127)
            assert torch.equal(found, wanted.to(torch.int8))
        ties = torch.tensor([[1, 3, 5, -1, -3, -5]], dtype=torch.int8)
        halves = int8_linear_shift(ties, pack_linear(torch.eye(6, dtype=torch.int8)), shifts=1)
        assert halves.tolist() == [[0, 2, 2, 0, -2, -2]]
        extreme = torch.full((1, 65_000), 127, dtype=torch.int8)
        largest = int8_linear_shift(
            extreme, pack_linear(extreme), shifts=31, bias=torch.tensor([2**31 - 1], dtype=torch.int32)
        )
        assert largest.item() == round((127 * 127 * 65_000 + 2**31 - 1) / 2**31)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quantized_rows_are_within_half_a_step_and_those_of_the_reference(isa: str, dtype: torch.dtype) -> None:
    with native.forced(isa):
        for num_inputs in (0, 1, 3, 15, 16, 17, 100):
            values = (torch.randn(5, num_inputs) * torch.tensor([[0.0], [1e-3], [1.0], [50.0], [1e4]])).to(dtype)
            found, scales = quantize_rows(values)
            assert ((found * scales[:, None] - values.float()).abs() <= 0.5001 * scales[:, None]).all()
            assert not found[0].any()
            wanted, wanted_scales = reference.quantize_rows(values)
            assert torch.equal(found, wanted) and torch.equal(scales, wanted_scales)
        assert quantize_rows(torch.tensor([1.0, -127.0, 0.5, 2.5]).to(dtype))[0].tolist() == [1, -127, 0, 2]


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_not_finite_goes_as_in_torch(isa: str) -> None:
    input = torch.zeros(4, 5)
    input[0, 1], input[1, 1], input[2, 1], input[3, 1] = torch.inf, -torch.inf, torch.nan, 3e38
    weight = torch.ones(3, 5)
    weight[2, 1] = 10.0
    with native.forced(isa):
        for dtype in (torch.float32, torch.bfloat16):
            found = linear(input.to(dtype), pack_linear(weight.to(dtype)))
            wanted = torch.nn.functional.linear(input.to(dtype).float(), weight).to(dtype)
            torch.testing.assert_close(found, wanted, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("isa", ISAS)
def test_layouts_and_addresses_do_not_matter(isa: str) -> None:
    weight = torch.randn(20, 15)
    packed = pack_linear(weight.mT.contiguous().mT)
    whole = torch.randn(2, 9, 16)
    with native.forced(isa):
        for input in (whole[..., 1:], whole[..., 1:].contiguous(), whole[:, ::2, :15], whole.mT[:, 1:].mT):
            found = linear(input, packed)
            assert found.shape == (*input.shape[:-1], 20)
            close(found, input, weight)
        assert linear(whole[0, 0, 1:], packed).shape == (20,)
        bytes_ = integers(3, 16)
        found = int8_matmul(bytes_.flatten()[1:46].view(3, 15), pack_linear(integers(20, 15)))
        assert found.shape == (3, 20)


def test_threads_do_not_change_a_bit() -> None:
    packed, input = pack_linear(torch.randn(200, 300)), torch.randn(50, 300)
    before = torch.get_num_threads()
    alone = linear(input, packed)
    torch.set_num_threads(2)
    try:
        assert torch.equal(linear(input, packed), alone)
    finally:
        torch.set_num_threads(before)


def test_gradients_reach_input_and_bias() -> None:
    weight, direction = integers(20, 15), torch.randn(4, 20)
    scales = torch.rand(20)
    input, bias = torch.randn(4, 15, requires_grad=True), torch.randn(20, requires_grad=True)
    found = linear(input, pack_linear(weight, scales=scales), bias)
    wanted = torch.nn.functional.linear(input, weight * scales[:, None], bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, (input, bias), direction),
        torch.autograd.grad(wanted, (input, bias), direction),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-3)


def calls(packed: PackedLinear, input: Tensor) -> dict[str, tuple[Any, ...]]:
    ops = torch.ops.omniloom
    integer = integers(*input.shape)
    sums, scale = packed.column_sums, torch.tensor([0.1])
    return {
        "linear": (ops.linear.default, (input, packed.panels, packed.scales, None, packed.num_outputs)),
        "quantize_rows": (ops.quantize_rows.default, (input.detach(),)),
        "int8_matmul": (ops.int8_matmul.default, (integer, packed.panels, sums, 3, packed.num_outputs)),
        "int8_linear": (
            ops.int8_linear.default,
            (integer, packed.panels, sums, 3, scale, packed.scales, None, packed.num_outputs, torch.bfloat16),
        ),
        "int8_linear_shift": (
            ops.int8_linear_shift.default,
            (integer, packed.panels, sums, 3, None, torch.tensor([4], dtype=torch.int32), packed.num_outputs),
        ),
    }


@pytest.mark.parametrize("name", ["linear", "int8_matmul", "int8_linear", "int8_linear_shift", "quantize_rows"])
def test_the_operators_keep_torchs_rules(name: str) -> None:
    packed = pack_linear(integers(10, 24), scales=torch.rand(10))
    for input in (torch.randn(2, 3, 24), torch.randn(5, 24, requires_grad=name == "linear")):
        torch.library.opcheck(*calls(packed, input)[name])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack_linear(torch.zeros(3, 3).double()), "got torch.float64"),
        (lambda: pack_linear(torch.zeros(3, 3), scales=1.0), "only int8 has scales"),
        (lambda: pack_linear(integers(3, 3), scales=torch.ones(2)), "one for each of 3 outputs, got 2"),
        (lambda: linear(torch.zeros(2, 4), pack_linear(torch.zeros(3, 5))), "must be 5 wide"),
        (lambda: linear(torch.zeros(2, 4).half(), pack_linear(torch.zeros(3, 4))), "must be float32 or bfloat16"),
        (lambda: linear(torch.zeros(2, 4), pack_linear(torch.zeros(3, 4)), torch.zeros(4)), "must have 3 numbers"),
        (lambda: linear(torch.zeros(2, 4, device="meta"), pack_linear(torch.zeros(3, 4))), "is on meta"),
        (lambda: int8_matmul(integers(2, 4), pack_linear(torch.zeros(3, 4))), "must be packed from int8"),
        (lambda: int8_matmul(integers(2, 4).int(), pack_linear(integers(3, 4))), "must be int8 or uint8"),
        (lambda: int8_linear(integers(2, 4), pack_linear(integers(3, 4)), input_scale=torch.ones(3)), "each of 2 rows"),
        (
            lambda: int8_linear(integers(2, 4), pack_linear(integers(3, 4)), input_scale=1.0, dtype=torch.half),
            "dtype must be",
        ),
        (lambda: int8_linear_shift(integers(2, 4), pack_linear(integers(3, 4)), shifts=32), "from 0 to 31, got 32"),
        (
            lambda: int8_linear_shift(integers(2, 4), pack_linear(integers(3, 4)), shifts=torch.ones(2).int()),
            "one for each of 3 outputs",
        ),
        (
            lambda: int8_linear_shift(integers(2, 4), pack_linear(integers(3, 4)), shifts=1, bias=torch.ones(3).long()),
            "3 numbers of int32",
        ),
    ],
)
def test_what_does_not_fit_is_told(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_operators_themselves_refuse_what_does_not_fit() -> None:
    packed = pack_linear(integers(10, 24), scales=torch.rand(10))
    ops = torch.ops.omniloom
    with pytest.raises(RuntimeError, match="the input has 25 columns"):
        ops.linear(torch.zeros(2, 25), packed.panels, packed.scales, None, 10)
    with pytest.raises(RuntimeError, match="num_outputs is 40"):
        ops.linear(torch.zeros(2, 24), packed.panels, packed.scales, None, 40)
    with pytest.raises(RuntimeError, match="scales must be 1 or 10"):
        ops.linear(torch.zeros(2, 24), packed.panels, torch.ones(3), None, 10)
    with pytest.raises(RuntimeError, match="a shift must be from 0 to 31, got -1"):
        shifts = torch.tensor([-1], dtype=torch.int32)
        ops.int8_linear_shift(integers(2, 24), packed.panels, packed.column_sums, 0, None, shifts, 10)


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiles_and_exports_whole() -> None:
    packed = pack_linear(integers(10, 24), scales=torch.rand(10))

    class Layer(torch.nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            rows, scales = quantize_rows(x)
            return linear(x, packed), int8_linear(rows, packed, input_scale=scales)

    input = torch.randn(3, 24)
    wanted = Layer()(input)
    compiled = torch.compile(Layer(), fullgraph=True)(input)
    exported = torch.export.export(Layer(), (input,)).module()(input)
    for found in (compiled, exported):
        torch.testing.assert_close(found, wanted)
