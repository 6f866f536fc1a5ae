"""Convolution with packed weights equals float64 on every instruction set, in every layout and by every algorithm."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.kernels import PackedConv, conv, native, prepack
from omniloom.kernels.convolution import reference
from omniloom.kernels.convolution.operator import Activation, Algorithm
from omniloom.kernels.convolution.weights import pack, pack_bias, unpack, unpack_bias
from omniloom.kernels.convolution.winograd import transform_weight, transforms

pytestmark = pytest.mark.usefixtures("seeded")

ACTIVATIONS: tuple[Activation, ...] = ("none", "relu", "silu", "gelu", "gelu_tanh", "elu")
DIRECT_ERROR = 3e-6
"""Of the output's scale: sums of at most a few thousand float32 products in order."""
WINOGRAD_ERROR = 1e-5
"""Of the output's scale: the bar for F(4x4, 3x3)."""


def exact(x: Tensor, weight: Tensor, bias: Tensor, activation: str = "none", **settings: object) -> Tensor:
    convolve = F.conv1d if weight.dim() == 3 else F.conv2d
    found: Tensor = reference.ACTIVATIONS[activation](convolve(x.double(), weight.double(), bias.double(), **settings))
    return found


def assert_near(found: Tensor, expected: Tensor, *, error: float = DIRECT_ERROR) -> None:
    assert found.shape == expected.shape
    scale = expected.abs().max().clamp_min(1.0) if expected.numel() else torch.tensor(1.0)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=error * float(scale))


def draw(channels: int, channels_out: int, kernel: tuple[int, ...], *, groups: int = 1) -> tuple[Tensor, Tensor]:
    return torch.randn(channels_out, channels // groups, *kernel), torch.randn(channels_out)


def in_layout(x: Tensor, layout: str) -> Tensor:
    if layout == "planes":
        return x
    if layout == "rows":
        return x.movedim(1, -1).contiguous().movedim(-1, 1)
    wide = torch.randn(x.shape[0] + 1, x.shape[-1] + 3, *x.shape[2:-1], x.shape[1] + 1)  # "cut": strided and unaligned
    cut = wide[1:, 2:-1, ..., 1:].movedim(1, -2).movedim(-1, 1)
    return cut.copy_(x)


@pytest.mark.parametrize("num_out", [1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65])
@pytest.mark.parametrize("num_pixels", [1, 2, 5, 6, 7, 11, 12, 13, 25, 97])
def test_every_edge_of_a_tile(isa: str, num_pixels: int, num_out: int) -> None:
    weight, bias = draw(5, num_out, (3,))
    x = torch.randn(1, 5, num_pixels)
    assert_near(conv(x, prepack(weight, bias, padding=1)), exact(x, weight, bias, padding=1))


@pytest.mark.parametrize("layout", ["planes", "rows", "cut"])
@pytest.mark.parametrize("groups", [1, 2, 4, 12])
@pytest.mark.parametrize(("kernel", "dilation"), [((1, 1), 1), ((3, 3), 1), ((3, 3), 2), ((2, 5), 1), ((4, 1), 3)])
def test_stride_padding_dilation_and_groups(
    isa: str, kernel: tuple[int, int], dilation: int, groups: int, layout: str
) -> None:
    weight, bias = draw(12, 12, kernel, groups=groups)
    x = in_layout(torch.randn(2, 12, 13, 11), layout)
    for stride, padding in itertools.product((1, 2, (3, 1)), (0, 1, (2, 5))):
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        found = conv(x, prepack(weight, bias, **settings))  # type: ignore[arg-type]
        assert_near(found, exact(x, weight, bias, **settings))
        assert found.is_contiguous() == (layout == "planes") or 1 in found.shape


@pytest.mark.parametrize("channels", [1, 3, 15, 16, 31, 32, 33, 48, 70])
def test_depthwise_at_every_width(isa: str, channels: int) -> None:
    weight, bias = draw(channels, channels, (3, 3), groups=channels)
    for width, stride in ((1, 1), (2, 1), (6, 1), (9, 2), (20, 1)):
        x = in_layout(torch.randn(1, channels, 3, width), "rows")
        packed = prepack(weight, bias, padding=1, stride=stride, groups=channels, activation="relu")
        assert_near(packed(x), exact(x, weight, bias, "relu", padding=1, stride=stride, groups=channels))


@pytest.mark.parametrize(
    ("stride", "dilation", "padding"), [(1, 1, 1), (2, 1, 1), (1, 2, (9, 0, 12, 3)), ((3, 1), 1, 0)]
)
def test_depthwise_planes_give_the_bits_of_rows(
    isa: str, stride: int | tuple[int, int], dilation: int, padding: int | tuple[int, ...]
) -> None:
    for channels, size in ((33, (13, 700)), (64, (40, 90)), (2, (5, 6)), (70, (4, 1))):
        weight, bias = draw(channels, channels, (3, 1 if size[1] == 1 else 3), groups=channels)
        x = torch.randn(2, channels, *size)
        packed = prepack(weight, bias, padding=padding, stride=stride, dilation=dilation, groups=channels)
        found, expected = packed(x), packed(in_layout(x, "rows"))
        assert_near(expected, exact(F.pad(x, _sides(packed.padding)), weight, bias, **_others(packed)))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def _sides(padding: list[int]) -> list[int]:
    return [padding[1], padding[3], padding[0], padding[2]]


def _others(packed: PackedConv) -> dict[str, object]:
    return {"stride": packed.stride, "dilation": packed.dilation, "groups": packed.groups}


@pytest.mark.parametrize("layout", ["planes", "rows", "cut"])
def test_pointers_and_the_plain_product_give_one_result(isa: str, layout: str) -> None:
    for channels, channels_out, size, groups in ((5, 40, (3, 9), 1), (64, 33, (1, 1), 1), (24, 70, (13, 11), 2)):
        weight, bias = draw(channels, channels_out, (1, 1), groups=groups)
        x = in_layout(torch.randn(2, channels, *size), layout)
        algorithms: tuple[Algorithm, ...] = ("indirect", "auto") if groups > 1 else ("indirect", "auto", "im2col")
        found = [prepack(weight, bias, groups=groups, algorithm=name)(x) for name in algorithms]
        assert_near(found[0], exact(x, weight, bias, groups=groups))
        for other in found[1:]:
            torch.testing.assert_close(other, found[0], rtol=0, atol=0)


@pytest.mark.parametrize("algorithm", ["winograd2", "winograd4", "im2col", "auto"])
@pytest.mark.parametrize(("channels", "channels_out"), [(1, 1), (16, 33), (19, 16), (40, 70)])
def test_algorithms_agree(isa: str, algorithm: Algorithm, channels: int, channels_out: int) -> None:
    weight, bias = draw(channels, channels_out, (3, 3))
    for size, padding in (((3, 3), 0), ((1, 1), 1), ((8, 9), 1), ((14, 15), (1, 2)), ((6, 31), 2)):
        for layout in ("planes", "rows", "cut"):
            x = in_layout(torch.randn(2, channels, *size), layout)
            packed = prepack(weight, bias, padding=padding, algorithm=algorithm)
            assert_near(packed(x), exact(x, weight, bias, padding=padding), error=WINOGRAD_ERROR)


@pytest.mark.parametrize("algorithm", ["indirect", "winograd2", "winograd4"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_torchs(isa: str, activation: Activation, algorithm: Algorithm) -> None:
    weight = torch.zeros(1, 1, 3, 3)
    weight[..., 1, 1] = 1.0
    x = torch.cat([torch.linspace(-30, 30, 480), torch.tensor([0.0, -1e-4, 1e-4, 88.0, -88.0, 1e4, -1e4])])[
        None, None, None
    ]
    found = conv(x, prepack(weight, padding=1, activation=activation, algorithm=algorithm))
    expected = reference.ACTIVATIONS[activation](x.double())
    atol = 1e-6 if algorithm == "indirect" else 0.1  # Winograd's error is of the largest number in a tile, 1e4 here
    torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=atol)


def test_values_that_are_not_finite_reach_the_pixels_they_should(isa: str) -> None:
    weight, bias = draw(3, 20, (3,))
    x = torch.randn(1, 3, 40)
    x[0, 1, 20], x[0, 0, 30] = torch.nan, torch.inf
    for activation in ("none", "relu"):
        found = conv(x, prepack(weight, bias, padding=1, activation=activation))  # type: ignore[arg-type]
        expected = reference.ACTIVATIONS[activation](F.conv1d(x, weight, bias, padding=1))
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-5, atol=1e-5)


def test_more_zeros_than_are_kept_ready(isa: str) -> None:
    weight, bias = draw(4100, 3, (2,))
    x = torch.randn(1, 4100, 3)
    assert_near(conv(x, prepack(weight, bias, padding=1)), exact(x, weight, bias, padding=1), error=1e-5)


def test_no_rows_and_no_bias() -> None:
    packed = prepack(torch.randn(4, 3, 3, 3), padding=1)
    assert conv(torch.empty(0, 3, 5, 5), packed).shape == (0, 4, 5, 5)
    x = torch.randn(1, 3, 5, 5)
    assert_near(packed(x), exact(x, unpacked(packed), torch.zeros(4), padding=1))


def unpacked(packed: PackedConv) -> Tensor:
    return unpack(packed.panels, groups=packed.groups, channels=packed.channels, kernel=packed.kernel)


def test_an_unequal_padding_is_before_then_after() -> None:
    weight, bias = draw(3, 4, (3, 3))
    x = torch.randn(1, 3, 6, 7)
    found = conv(x, prepack(weight, bias, padding=(2, 0, 1, 3)))
    assert_near(found, exact(F.pad(x, (0, 3, 2, 1)), weight, bias))


def test_many_threads_give_the_same(isa: str) -> None:
    weight, bias = draw(32, 70, (3, 3))
    x = torch.randn(3, 32, 12, 12)
    algorithms: tuple[Algorithm, ...] = ("indirect", "winograd4")
    packed = [prepack(weight, bias, padding=1, algorithm=name) for name in algorithms]
    packed.append(prepack(*draw(32, 32, (3, 3), groups=32), padding=1, groups=32))
    alone = [conv(x, item) for item in packed]
    num_threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for item, expected in zip(packed, alone, strict=True):
            torch.testing.assert_close(conv(x, item), expected, rtol=0, atol=0 if item.winograd4 is None else 1e-4)
    finally:
        torch.set_num_threads(num_threads)


@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "groups"), [(7, 1, 1, 1), (3, 1, 9, 2), (4, 2, 1, 1), (5, 1, 2, 8)]
)
def test_streamed_equals_whole_to_the_bit(isa: str, taps: int, stride: int, dilation: int, groups: int) -> None:
    weight, bias = draw(8, 8, (taps,), groups=groups)
    packed = prepack(weight, bias, stride=stride, dilation=dilation, groups=groups, activation="elu")
    frames = torch.randn(3, 24, 8)
    whole, past = packed.stream(frames)
    padded = F.pad(frames.transpose(1, 2), (packed.num_past, 0))
    settings = {"stride": stride, "dilation": dilation, "groups": groups}
    assert_near(whole.transpose(1, 2), exact(padded, weight, bias, "elu", **settings))
    for piece in (stride, 2 * stride, 6 * stride):
        state, parts = None, []
        for part in frames.split(piece, dim=1):
            found, state = packed.stream(part, state)
            parts.append(found)
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=0)
        torch.testing.assert_close(state, past, rtol=0, atol=0)


def test_the_reference_serves_alike() -> None:
    for groups, size in ((1, (5, 6)), (2, (5, 6)), (8, (5, 6))):
        weight, bias = draw(8, 8, (3, 3), groups=groups)
        packed = prepack(weight, bias, padding=(1, 0, 0, 2), groups=groups, activation="gelu")
        for layout in ("planes", "rows"):
            x = in_layout(torch.randn(2, 8, *size), layout)
            arguments = (packed.panels, packed.bias, None, None, packed.kernel, packed.stride, packed.padding,
                         packed.dilation, groups, 8, "gelu", "auto")  # fmt: skip
            found, expected = reference.conv(x, *arguments), packed(x)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
            assert found.stride() == expected.stride() == reference.conv_fake(x, *arguments).stride()


def test_packing_is_undone() -> None:
    weight, bias = draw(6, 70, (3, 2), groups=2)
    assert torch.equal(unpack(pack(weight, 2), groups=2, channels=70, kernel=[3, 2]), weight)
    assert torch.equal(unpack_bias(pack_bias(bias, 2), groups=2, channels=70), bias)


@pytest.mark.parametrize("side", [2, 4])
def test_winograds_matrices_give_the_convolution(side: int) -> None:
    matrices = transforms(side)
    weight, tile = torch.randn(1, 1, 3, 3, dtype=torch.float64), torch.randn(side + 2, side + 2, dtype=torch.float64)
    planes = transform_weight(weight, side).view(side + 2, side + 2)
    products = planes * (matrices.input @ tile @ matrices.input.T)
    found = matrices.output @ products @ matrices.output.T
    torch.testing.assert_close(found, F.conv2d(tile[None, None], weight)[0, 0], rtol=0, atol=1e-12)


def test_published_transforms_of_f2() -> None:
    # Lavin & Gray 2015, section 4.1; their rows of B and G differ in sign at two places, which cancel.
    assert transforms(2).output.tolist() == [[1, 1, 1, 0], [0, 1, -1, 1]]
    assert transforms(2).weight.abs().tolist() == [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]]


def test_errors_name_the_value_and_the_remedy() -> None:
    packed = prepack(torch.randn(4, 3, 3, 3))
    for x, message in (
        (torch.randn(1, 3, 5), "4 axes"),
        (torch.randn(1, 2, 5, 5), "3 channels"),
        (torch.randn(1, 3, 2, 5), "as large as the kernel"),
        (torch.randn(1, 3, 5, 5).double(), "float32"),
        (torch.randn(1, 3, 5, 5, requires_grad=True), "no_grad"),
    ):
        with pytest.raises(ValueError, match=message):
            conv(x, packed)
    weight = torch.randn(4, 3, 3)
    for settings, message in (
        ({"groups": 3}, "groups must divide"),
        ({"stride": 0}, "stride must be"),
        ({"padding": (1, 2, 3)}, "padding must be"),
        ({"bias": torch.randn(4).double()}, "bias must be"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"algorithm": "fft"}, "algorithm must be one of"),
        ({"algorithm": "winograd4"}, "use auto"),
    ):
        with pytest.raises(ValueError, match=message):
            prepack(weight, **settings)  # type: ignore[arg-type]
    streamed = prepack(weight)
    with pytest.raises(ValueError, match="past must be"):
        streamed.stream(torch.randn(1, 4, 3), torch.randn(1, 3, 3))
    with pytest.raises(ValueError, match="only sound streams"):
        packed.stream(torch.randn(1, 4, 3))


@pytest.mark.skipif(not native.is_native(), reason="there is no native library here")
def test_packed_weights_that_do_not_fit_are_refused() -> None:
    packed = prepack(torch.randn(4, 3, 3, 3))
    with pytest.raises(RuntimeError, match="prepack"):
        torch.ops.omniloom.conv(
            torch.randn(1, 4, 5, 5),
            packed.panels,
            packed.bias,
            None,
            None,
            [3, 3],
            [1, 1],
            [0] * 4,
            [1, 1],
            1,
            4,
            "none",
            "auto",
        )


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # inductor's own
def test_opcheck_compile_and_export() -> None:
    for shape in ((16, 16, 3, 3), (8, 8, 5), (6, 1, 3)):
        groups = 6 if shape[1] == 1 else 1
        packed = prepack(torch.randn(shape), torch.randn(shape[0]), padding=1, groups=groups, activation="silu")
        x = torch.randn(2, shape[1] * groups, *[9] * (len(shape) - 2))
        arguments = (packed.panels, packed.bias, packed.winograd2, packed.winograd4, packed.kernel, packed.stride,
                     packed.padding, packed.dilation, groups, packed.channels, "silu", "auto")  # fmt: skip
        for layout in (x, in_layout(x, "rows")):
            torch.library.opcheck(torch.ops.omniloom.conv.default, (layout, *arguments))
            expected = packed(layout)
            torch.testing.assert_close(torch.compile(packed, fullgraph=True)(layout), expected)
            torch.testing.assert_close(torch.export.export(packed, (layout,)).module()(layout), expected)


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # inductor's own
def test_streams_compile() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = prepack(torch.randn(8, 8, 3), activation="elu", algorithm="indirect")

        def forward(self, frames: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
            found, past = self.inner.stream(frames, past)
            return found * 2, past

    stack, frames, past = Stack(), torch.randn(1, 4, 8), torch.randn(1, 2, 8)
    arguments = (frames, past, stack.inner.panels, stack.inner.bias, 3, 1, 1, 1, 8, "elu")
    torch.library.opcheck(torch.ops.omniloom.conv_stream.default, arguments)
    torch.testing.assert_close(torch.compile(stack, fullgraph=True)(frames, past), stack(frames, past))
