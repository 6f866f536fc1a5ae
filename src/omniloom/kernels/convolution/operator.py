"""One convolution for inference: weights packed once, and an algorithm chosen by the shapes of each call.

`prepack` makes a `PackedConv`; it is called like a module of torch, or by `conv`. Inputs are torch's: (B, C, N) or
(B, C, H, W). Where channels are adjacent in memory (channels-last images, transposed frames) they are read where they
are and the result is laid out alike; torch's own layout is turned there and back, which costs one copy of each.
A stream goes through `PackedConv.stream`, whose frames and past are (B, F, D), as in `layers.streaming_conv`.

Weights may not be trained here: there is no gradient, and asking for one is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels.convolution import reference
from omniloom.kernels.convolution.weights import is_depthwise, pack, pack_bias, pack_depthwise
from omniloom.kernels.convolution.winograd import transform_weight
from omniloom.kernels.native import prefer_large_pages
from omniloom.kernels.registration import define

Activation = Literal["none", "relu", "silu", "gelu", "gelu_tanh", "elu"]
Algorithm = Literal["auto", "indirect", "winograd2", "winograd4", "im2col"]
"""`im2col` is what others do, with the kernel of `indirect`: for comparison."""

LEAST_WINOGRAD_CHANNELS = 16

_conv = define(
    "conv(Tensor input, Tensor panels, Tensor bias, Tensor? winograd2, Tensor? winograd4, int[] kernel, int[] stride, "
    "int[] padding, int[] dilation, int groups, int channels, str activation, str algorithm) -> Tensor",
    reference=reference.conv,
    fake=reference.conv_fake,
)
_conv_stream = define(
    "conv_stream(Tensor frames, Tensor past, Tensor panels, Tensor bias, int taps, int stride, int dilation, "
    "int groups, int channels, str activation) -> (Tensor, Tensor)",
    reference=reference.conv_stream,
    fake=reference.conv_stream_fake,
)


class StreamedConv(NamedTuple):
    """What a causal convolution gives for a piece, and the past that its next piece needs."""

    frames: Float[Tensor, "B F D"]
    past: Float[Tensor, "B P D"]


class PackedConv(nn.Module):
    """A convolution of fixed weights; `prepack` makes it. Moves and saves like any module.

    `padding` is what lies before each axis, then what lies after each.
    """

    panels: Tensor
    bias: Tensor
    winograd2: Tensor | None
    winograd4: Tensor | None

    def __init__(
        self,
        weight: Float[Tensor, "O I *kernel"],
        bias: Float[Tensor, " O"] | None,
        *,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        groups: int,
        activation: Activation,
        algorithm: Algorithm,
    ) -> None:
        super().__init__()
        weight = weight.detach()
        self.channels, self.kernel = weight.shape[0], list(weight.shape[2:])
        self.channels_in = weight.shape[1] * groups
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.activation, self.algorithm = activation, algorithm
        bias = weight.new_zeros(self.channels) if bias is None else bias.detach()
        depthwise = is_depthwise(groups=groups, channels_in=self.channels_in, channels=self.channels)
        panels = pack_depthwise(weight) if depthwise else pack(weight, groups)
        self.register_buffer("panels", _in_large_pages(panels))
        self.register_buffer("bias", bias.clone() if depthwise else pack_bias(bias, groups))
        for side in (2, 4):
            is_wanted = algorithm == f"winograd{side}" or (
                algorithm == "auto" and min(self.channels, self.channels_in) >= LEAST_WINOGRAD_CHANNELS
            )
            planes = transform_weight(weight, side) if is_wanted and self.is_winograd_possible else None
            packed = None if planes is None else _in_large_pages(pack(planes.permute(1, 2, 0), 1).transpose(0, 1))
            self.register_buffer(f"winograd{side}", packed)

    @property
    def is_winograd_possible(self) -> bool:
        return self.kernel == [3, 3] and self.stride == self.dilation == [1, 1] and self.groups == 1

    @property
    def num_past(self) -> int:
        """Frames before a piece that its first output looks at."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1 - self.stride[0]

    def forward(self, input: Tensor) -> Tensor:
        return conv(input, self)

    def stream(self, frames: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> StreamedConv:
        """The next piece of a sound, causally: padding is not used, the past (zeros at first) lies before the piece.

        A sound in pieces gives the bits of the whole one.

        Raises:
            ValueError: If the convolution is not 1-D, or shapes do not fit it.
        """
        if len(self.kernel) != 1 or self.num_past < 0:
            raise ValueError(
                f"only sound streams, with a kernel no shorter than its stride; the kernel is {self.kernel}"
            )
        _check_input(frames, "frames", num_axes=1)
        if frames.shape[2] != self.channels_in or frames.shape[1] % self.stride[0]:
            raise ValueError(
                f"frames must be (B, F, {self.channels_in}), F a multiple of {self.stride[0]}, got {list(frames.shape)}"
            )
        wanted = (frames.shape[0], self.num_past, self.channels_in)
        if past is None:
            past = frames.new_zeros(wanted)
        elif past.shape != wanted or past.dtype != frames.dtype:
            raise ValueError(
                f"past must be what the last call gave, float32 {wanted}, got {past.dtype} {tuple(past.shape)}"
            )
        found, past = _conv_stream(
            frames, past, self.panels, self.bias, self.kernel[0], self.stride[0], self.dilation[0], self.groups,
            self.channels, self.activation,
        )  # fmt: skip
        return StreamedConv(found, past)

    def extra_repr(self) -> str:
        shape = (
            f"{self.channels_in}, {self.channels}, kernel={self.kernel}, stride={self.stride}, padding={self.padding}"
        )
        return f"{shape}, dilation={self.dilation}, groups={self.groups}, {self.activation}, {self.algorithm}"


def prepack(
    weight: Float[Tensor, "O I *kernel"],
    bias: Float[Tensor, " O"] | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    activation: Activation = "none",
    algorithm: Algorithm = "auto",
) -> PackedConv:
    """Pack a weight as `torch.nn.functional.conv1d` or `conv2d` takes it.

    Args:
        padding: Zeros around the input: one number, one an axis, or those before each axis and then those after each:
            ((taps - 1) * dilation, 0) makes a 1-D convolution causal.
        activation: Applied to the result, as torch has it.
        algorithm: Chosen by shape, or forced. For 3x3 of stride 1, `auto` also keeps weights transformed for Winograd's
            F(2x2) and F(4x4), which take 1.8 and 4 times the memory; `indirect` keeps none.

    Raises:
        ValueError: If the arguments are no convolution, or the algorithm cannot do it.
    """
    num_axes = weight.dim() - 2
    if num_axes not in (1, 2) or weight.dtype != torch.float32 or 0 in weight.shape:
        raise ValueError(
            f"weight must be float32 (O, I, taps...) of 1 or 2 axes, got {weight.dtype} {list(weight.shape)}"
        )
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"groups must divide the {weight.shape[0]} output channels, got {groups}")
    if bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != torch.float32):
        raise ValueError(f"bias must be float32 [{weight.shape[0]}], got {bias.dtype} {list(bias.shape)}")
    _check_name("activation", activation, get_args(Activation))
    _check_name("algorithm", algorithm, get_args(Algorithm))
    before = _numbers("padding", padding, num_axes, least=0)
    packed = PackedConv(
        weight,
        bias,
        stride=_numbers("stride", stride, num_axes, least=1),
        padding=before if len(before) == 2 * num_axes else before * 2,
        dilation=_numbers("dilation", dilation, num_axes, least=1),
        groups=groups,
        activation=activation,
        algorithm=algorithm,
    )
    if algorithm.startswith("winograd") and not packed.is_winograd_possible:
        raise ValueError(f"algorithm={algorithm} is for 3x3 with stride, dilation and groups of 1; use auto")
    if algorithm == "im2col" and groups != 1:
        raise ValueError(f"algorithm=im2col is for one group, got {groups}; use auto")
    return packed


def conv(input: Tensor, packed: PackedConv) -> Tensor:
    """Convolve (B, C, N) or (B, C, H, W), by the algorithm that suits its shape.

    Raises:
        ValueError: If the input does not fit the weights, is smaller than the kernel, or needs a gradient.
    """
    num_axes = len(packed.kernel)
    _check_input(input, "input", num_axes=num_axes)
    if input.shape[1] != packed.channels_in:
        raise ValueError(f"input must have {packed.channels_in} channels on axis 1, got {list(input.shape)}")
    for axis in range(num_axes):
        size = input.shape[axis + 2] + packed.padding[axis] + packed.padding[axis + num_axes]
        if size < (packed.kernel[axis] - 1) * packed.dilation[axis] + 1:
            raise ValueError(f"input must be at least as large as the kernel {packed.kernel}, got {list(input.shape)}")
    return _conv(
        input, packed.panels, packed.bias, packed.winograd2, packed.winograd4, packed.kernel, packed.stride,
        packed.padding, packed.dilation, packed.groups, packed.channels, packed.activation, packed.algorithm,
    )  # fmt: skip


def _in_large_pages(weights: Tensor) -> Tensor:
    """A contiguous copy: weights are read from one end to the other, and pages of 4 KB hold that up."""
    copy = torch.empty_like(weights, memory_format=torch.contiguous_format)
    prefer_large_pages(copy)
    return copy.copy_(weights)


def _check_input(input: Tensor, name: str, *, num_axes: int) -> None:
    if input.dim() != num_axes + 2 or input.dtype != torch.float32:
        raise ValueError(f"{name} must be float32 of {num_axes + 2} axes, got {input.dtype} {list(input.shape)}")
    if torch.is_grad_enabled() and input.requires_grad:
        raise ValueError(
            f"{name} needs a gradient, which packed weights do not give; use torch's conv, or torch.no_grad()"
        )


def _check_name(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ValueError(f"{what} must be one of {', '.join(names)}, got {name!r}")


def _numbers(what: str, given: int | Sequence[int], num_axes: int, *, least: int) -> list[int]:
    found = [given] * num_axes if isinstance(given, int) else list(given)
    lengths = (num_axes, 2 * num_axes) if what == "padding" else (num_axes,)
    if len(found) not in lengths or min(found) < least:
        raise ValueError(f"{what} must be {num_axes} numbers of at least {least}, got {given}")
    return found
