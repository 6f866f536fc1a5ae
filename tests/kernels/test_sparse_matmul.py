"""Sparse products equal the dense ones in float64, on every instruction set, over every width and block."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from omniloom.kernels import PackedSparse, instruction_sets, native, pack_sparse, sparse_conv1x1, sparse_linear

ISAS = list(instruction_sets())
SIZES = [(1, 1), (5, 7), (4, 32), (33, 70), (64, 96)]


def pruned(num_outputs: int, num_inputs: int, *, sparsity: float = 0.7, block: int = 1) -> Tensor:
    is_kept = torch.rand(-(-num_outputs // block), num_inputs) >= sparsity
    return torch.randn(num_outputs, num_inputs) * is_kept.repeat_interleave(block, 0)[:num_outputs]


def expected(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found = torch.einsum("nk,bkp->bnp", weight.double(), input.double())
    return (found if bias is None else found + bias.double()[:, None]).float()


def close(found: Tensor, wanted: Tensor, num_inputs: int) -> None:
    """Float32 sums of K products of normal numbers."""
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=3e-7 * max(num_inputs, 1))


def operands(packed: PackedSparse, input: Tensor, bias: Tensor | None = None) -> tuple[Any, ...]:
    tensors = (packed.values, packed.columns, packed.starts, packed.rows)
    return (input, *tensors, bias, packed.num_outputs, packed.block_inputs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_float64_at_every_size(isa: str, block: int, dtype: torch.dtype) -> None:
    with native.forced(isa):
        for num_outputs, num_inputs in SIZES:
            weight = pruned(num_outputs, num_inputs, block=block).to(dtype)
            packed = pack_sparse(weight, block=block, block_inputs=32)
            bias = torch.randn(num_outputs)
            for num_places in (1, 15, 16, 17, 49, 64, 100, 113):
                input = torch.randn(2, num_inputs, num_places)
                close(sparse_conv1x1(input, packed, bias), expected(input, weight, bias), num_inputs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sparsity", [0.0, 0.9])
def test_every_width_of_panel_copied_or_read_in_place(isa: str, sparsity: float) -> None:
    weight = pruned(48, 40, sparsity=sparsity)
    packed = pack_sparse(weight)
    with native.forced(isa):
        for num_places in [*range(1, 200, 7), 64, 256]:
            input = torch.randn(1, 40, num_places)
            close(sparse_conv1x1(input, packed), expected(input, weight, None), 40)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("block", [1, 2, 4])
def test_images_read_in_place_end_where_they_end(isa: str, block: int) -> None:
    """Guards of NaN around the images, several blocks of inputs, and images that a panel of columns goes over."""
    weight, bias = pruned(20, 70, sparsity=0.9, block=block), torch.randn(20)
    packed = pack_sparse(weight, block=block, block_inputs=32)
    for num_places in (8, 9, 65, 104, 113, 196):
        guarded = torch.full((2 * 70 * num_places + 130,), torch.nan)
        input = guarded[65:-65].view(2, 70, num_places).normal_()
        with native.forced(isa):
            close(sparse_conv1x1(input, packed, bias), expected(input, weight, bias), 70)
            close(sparse_conv1x1(input[:1], packed, bias), expected(input[:1], weight, bias), 70)


@pytest.mark.parametrize("isa", ISAS)
def test_a_damaged_place_after_the_image_reads_zeros(isa: str) -> None:
    """The last block of inputs is shorter than the others, which only the place after all of a block names."""
    packed = pack_sparse(torch.eye(8)[:, :6].contiguous(), block_inputs=4)
    input = torch.full((8 * 16,), torch.nan)[: 6 * 16].view(1, 6, 16).fill_(1.0)
    arguments = list(operands(packed, input))
    arguments[2] = arguments[2].clone()
    arguments[2][-1] = 3
    with native.forced(isa):
        found = torch.ops.omniloom.sparse_matmul(*arguments)
    assert torch.equal(found.sum(1), torch.full((1, 16), 4.0))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("block", [1, 2, 4])
def test_outputs_that_no_near_cache_holds(isa: str, block: int) -> None:
    weight, bias = pruned(96, 40, sparsity=0.9, block=block), torch.randn(96)
    packed = pack_sparse(weight, block=block, block_inputs=24)
    for num_places in (3136, 3140):
        input = torch.randn(1, 40, num_places)
        with native.forced(isa):
            found = sparse_conv1x1(input, packed, bias)
        assert found.nbytes > 1 << 20
        close(found, expected(input, weight, bias), 40)


@pytest.mark.parametrize("isa", ISAS)
def test_a_column_has_the_same_bits_wherever_it_stands(isa: str) -> None:
    """Whole vectors, half ones and padded ones sum alike."""
    packed, input = pack_sparse(pruned(20, 70), block_inputs=32), torch.randn(1, 70, 113)
    with native.forced(isa):
        whole = sparse_conv1x1(input, packed)
        for first in (0, 1, 8, 47, 64, 96, 105, 112):
            assert torch.equal(sparse_conv1x1(input[..., first:].contiguous(), packed), whole[..., first:])


def test_threads_do_not_change_a_bit() -> None:
    packed, input = pack_sparse(pruned(64, 96)), torch.randn(3, 96, 200)
    before = torch.get_num_threads()
    alone = sparse_conv1x1(input, packed)
    torch.set_num_threads(2)
    try:
        assert torch.equal(sparse_conv1x1(input, packed), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(1, 40), (7, 40), (3, 25, 40), (40,), (2, 0, 40)])
def test_linear_equals_a_convolution(isa: str, shape: tuple[int, ...]) -> None:
    weight, bias = pruned(21, 40), torch.randn(21)
    input = torch.randn(shape)
    with native.forced(isa):
        found = sparse_linear(input, pack_sparse(weight), bias)
    assert found.shape == (*shape[:-1], 21) and found.is_contiguous()
    close(found, (input.double() @ weight.double().mT + bias).float(), 40)


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 1.0])
def test_packing_is_undone(block: int, sparsity: float) -> None:
    for num_outputs, num_inputs in [*SIZES, (3, 0), (0, 3)]:
        weight = pruned(num_outputs, num_inputs, sparsity=sparsity, block=block)
        packed = pack_sparse(weight, block=block, block_inputs=16)
        assert torch.equal(packed.dense(), weight)
    assert pack_sparse(torch.zeros(8, 8)).sparsity == 1
    assert pack_sparse(torch.eye(8)).sparsity == 1 - 1 / 8


@pytest.mark.parametrize("isa", ISAS)
def test_rows_without_weights_give_the_bias(isa: str) -> None:
    weight, bias = torch.zeros(6, 9), torch.randn(6)
    weight[2, 3] = 2.0
    input = torch.randn(2, 9, 20)
    with native.forced(isa):
        found = sparse_conv1x1(input, pack_sparse(weight), bias)
        assert torch.equal(sparse_conv1x1(input[:, :0], pack_sparse(weight[:, :0])), torch.zeros(2, 6, 20))
        assert sparse_conv1x1(input, pack_sparse(weight[:0])).shape == (2, 0, 20)
        assert sparse_conv1x1(input[..., :0], pack_sparse(weight)).shape == (2, 6, 0)
        assert sparse_conv1x1(input[:0], pack_sparse(weight)).shape == (0, 6, 20)
    wanted = bias[:, None].expand(2, 6, 20).clone()
    wanted[:, 2] += 2 * input[:, 3]
    close(found, wanted, 9)


@pytest.mark.parametrize("isa", ISAS)
def test_layouts_and_addresses_do_not_matter(isa: str) -> None:
    weight = pruned(20, 30)
    packed = pack_sparse(weight)
    whole = torch.randn(2, 31, 8, 9)
    images = whole[:, 1:]
    wanted = expected(images.flatten(2), weight, None).view(2, 20, 8, 9)
    unaligned = torch.empty(images.numel() + 1)[1:].view(images.shape).copy_(images)
    with native.forced(isa):
        last = images.contiguous(memory_format=torch.channels_last)
        for input in (images, images.contiguous(), last, unaligned, images.transpose(2, 3).contiguous().mT):
            close(sparse_conv1x1(input, packed), wanted, 30)
        assert sparse_conv1x1(last, packed).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("isa", ISAS)
def test_only_weights_that_are_there_see_what_is_not_finite(isa: str) -> None:
    weight = torch.zeros(5, 8)
    weight[0, 0], weight[1:, 1], weight[3, 4] = 1.0, 1.0, 2.0
    input = torch.ones(1, 8, 33)
    input[:, 0] = torch.nan
    input[:, 2:] = torch.inf
    with native.forced(isa):
        found = sparse_conv1x1(input, pack_sparse(weight))[0, :, 0]
    torch.testing.assert_close(found, torch.tensor([torch.nan, 1, 1, torch.inf, 1]), equal_nan=True)


def test_a_bfloat16_input_gives_a_bfloat16_output() -> None:
    weight, input = pruned(9, 20), torch.randn(3, 20).bfloat16()
    found = sparse_linear(input, pack_sparse(weight))
    assert torch.equal(found, sparse_linear(input.float(), pack_sparse(weight)).bfloat16())


@pytest.mark.parametrize("block", [1, 2, 4])
def test_gradients_equal_those_of_the_dense_product(block: int) -> None:
    weight, bias = pruned(10, 24, block=block), torch.randn(10, requires_grad=True)
    packed = pack_sparse(weight, block=block, block_inputs=10)
    values = packed.values.clone().requires_grad_()
    input = torch.randn(2, 24, 7, requires_grad=True)
    found = torch.ops.omniloom.sparse_matmul(
        *operands(packed, input, bias)[:1], values, *operands(packed, input, bias)[2:]
    )
    direction = torch.randn_like(found)
    to_input, to_values, to_bias = torch.autograd.grad(found, (input, values, bias), direction)
    dense = weight.clone().requires_grad_()
    product = torch.einsum("nk,bkp->bnp", dense, input) + bias[:, None]
    wanted_input, wanted_weight, wanted_bias = torch.autograd.grad(product, (input, dense, bias), direction)
    torch.testing.assert_close(to_input, wanted_input)
    torch.testing.assert_close(to_bias, wanted_bias)
    is_kept = (
        (weight.view(-1, block, 24) != 0).any(1).repeat_interleave(block, 0)[:10] if 10 % block == 0 else weight != 0
    )
    scattered = PackedSparse(
        values=to_values,
        columns=packed.columns,
        starts=packed.starts,
        rows=packed.rows,
        num_outputs=10,
        num_inputs=24,
        block_inputs=packed.block_inputs,
    ).dense()
    torch.testing.assert_close(scattered[is_kept], wanted_weight[is_kept])


@pytest.mark.filterwarnings("ignore:.*double precision")
def test_gradients_are_those_of_differences() -> None:
    packed = pack_sparse(pruned(5, 6))
    input = torch.randn(1, 6, 3, requires_grad=True)
    torch.autograd.gradcheck(lambda x: sparse_conv1x1(x, packed), (input,), eps=1e-2, atol=1e-2, nondet_tol=0.0)


def test_the_operator_keeps_torchs_rules() -> None:
    packed = pack_sparse(pruned(10, 24))
    images = torch.randn(2, 24, 3, 4)
    inputs = [torch.randn(2, 24, 7), torch.randn(2, 7, 24).mT, torch.randn(1, 24, 7, requires_grad=True), images]
    inputs += [images.contiguous(memory_format=torch.channels_last), images.mT, images[..., ::2], images[..., 1:]]
    inputs += [images[..., :1], images[:, :, :1], images[:, :, :1, :1].contiguous(), images.clone().requires_grad_()]
    inputs += [torch.randn(2, 24, 2, 3, 2)]
    for input in inputs:
        torch.library.opcheck(torch.ops.omniloom.sparse_matmul.default, operands(packed, input, torch.randn(10)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack_sparse(torch.zeros(3, 3, dtype=torch.float64)), "got torch.float64"),
        (lambda: pack_sparse(torch.zeros(3, 3), block=3), "block must be one of"),
        (lambda: pack_sparse(torch.zeros(3, 3), block_inputs=0), "block_inputs must be from 1"),
        (lambda: sparse_conv1x1(torch.zeros(1, 5, 2), pack_sparse(torch.zeros(3, 4))), "the weight has 4 inputs"),
        (lambda: sparse_linear(torch.zeros(2, 4).double(), pack_sparse(torch.zeros(3, 4))), "got torch.float64"),
        (
            lambda: sparse_linear(torch.zeros(2, 4), pack_sparse(torch.zeros(3, 4)), torch.zeros(4)),
            "must have 3 numbers",
        ),
        (lambda: sparse_linear(torch.zeros(2, 4, device="meta"), pack_sparse(torch.zeros(3, 4))), "is on meta"),
    ],
)
def test_what_does_not_fit_is_told(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("damage", ["columns", "rows", "starts", "inputs"])
def test_a_damaged_weight_is_refused_not_followed(damage: str) -> None:
    packed = pack_sparse(pruned(8, 24))
    arguments = list(operands(packed, torch.randn(1, 24, 5)))
    if damage == "inputs":
        arguments[0] = torch.randn(1, 240, 5)
    else:
        place = {"columns": 2, "starts": 3, "rows": 4}[damage]
        arguments[place] = arguments[place].clone()
        arguments[place].view(-1)[-1] = 1000
    with pytest.raises(RuntimeError, match="packed weight is"):
        torch.ops.omniloom.sparse_matmul(*arguments)


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiles_and_exports_whole() -> None:
    packed = pack_sparse(pruned(10, 24))
    input = torch.randn(2, 24, 3, 4)

    class Layer(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return sparse_conv1x1(x, packed)

    wanted = sparse_conv1x1(input, packed)
    assert torch.equal(torch.compile(Layer(), fullgraph=True)(input), wanted)
    assert torch.equal(torch.export.export(Layer(), (input,)).module()(input), wanted)
