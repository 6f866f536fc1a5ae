"""Causal convolutions that run over a whole sound or piece by piece, with the same result.

Each takes the frames that came before as an argument and gives back those that the next piece needs: the caller holds
the state, so one module serves many streams at once. State hidden in the module was rejected for that reason. Frames
are rows, (B, F, D): a convolution over so few taps is then a sum of shifted products, which on CPU beat
`torch.nn.Conv1d` with its transposes, and whose rounding does not depend on where a piece was cut.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.kernels import PackedCausalBlock, PackedConv, StreamedConv, prepack
from omniloom.layers.norm import NORM_EPSILON, RMSNorm


class Streamed(NamedTuple):
    """What a causal module gives for a piece, and the past that its next piece needs."""

    frames: Float[Tensor, "B F D"]
    past: Float[Tensor, "B P D"]


class CausalConv(nn.Module):
    """A dense convolution over this frame and the `taps - 1` before it."""

    def __init__(self, width: int, width_out: int, *, taps: int) -> None:
        super().__init__()
        if taps < 1:
            raise ValueError(f"taps must be at least 1, got {taps}")
        self.width = width
        self.num_past = taps - 1
        self.taps = taps
        self.linear = nn.Linear(width * taps, width_out)

    def forward(self, x: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> Streamed:
        joined, past = join_past(x, past, num_past=self.num_past)
        shifted = [joined[:, tap : tap + x.shape[1]] for tap in range(self.taps)]
        return Streamed(self.linear(torch.cat(shifted, dim=-1)), past)

    def packed(self) -> PackedConv:
        """Its weights as the native operators take them."""
        return prepack(self.linear.weight.unflatten(1, (self.taps, self.width)).transpose(1, 2), self.linear.bias)

    def for_inference(self) -> nn.Module:
        return _PackedStream(self.packed())


class DepthwiseCausalConv(nn.Module):
    """Each channel by itself over this frame and `taps - 1` before it, `dilation` frames apart."""

    def __init__(self, width: int, *, taps: int, dilation: int = 1) -> None:
        super().__init__()
        if taps < 1 or dilation < 1:
            raise ValueError(f"taps and dilation must be at least 1, got {taps} and {dilation}")
        self.dilation = dilation
        self.num_past = (taps - 1) * dilation
        self.weight = nn.Parameter(torch.randn(taps, width) * taps**-0.5)

    def forward(self, x: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> Streamed:
        joined, past = join_past(x, past, num_past=self.num_past)
        total = torch.zeros_like(x)
        for tap, weight in enumerate(self.weight):
            start = tap * self.dilation
            total = total + joined[:, start : start + x.shape[1]] * weight
        return Streamed(total, past)


class CausalBlock(nn.Module):
    """Mix over time by channel, then over channels by a two-layer network; both added to what came in.

    After Liu et al. 2022, "A ConvNet for the 2020s", section 2.6, with its layer norm replaced by a root-mean-square
    norm: a norm over one frame only, for statistics over time would look ahead.
    """

    def __init__(self, width: int, *, taps: int, dilation: int = 1, expansion: int = 2) -> None:
        super().__init__()
        self.mix_time = DepthwiseCausalConv(width, taps=taps, dilation=dilation)
        self.norm = RMSNorm(width)
        self.widen = nn.Linear(width, width * expansion)
        self.narrow = nn.Linear(width * expansion, width)
        nn.init.normal_(self.narrow.weight, std=0.2 * (width * expansion) ** -0.5)  # close to the identity at first
        nn.init.zeros_(self.narrow.bias)

    @property
    def num_past(self) -> int:
        return self.mix_time.num_past

    def forward(self, x: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> Streamed:
        mixed = self.mix_time(x, past)
        return Streamed(
            x + self.narrow(F.gelu(self.widen(self.norm(x + mixed.frames)), approximate="tanh")), mixed.past
        )

    def for_inference(self) -> PackedCausalBlock:
        return PackedCausalBlock(
            self.mix_time.weight,
            self.norm.weight,
            self.widen.weight,
            self.widen.bias,
            self.narrow.weight,
            self.narrow.bias,
            dilation=self.mix_time.dilation,
            epsilon=NORM_EPSILON,
        )


class _PackedStream(nn.Module):
    """A packed convolution that is called as `CausalConv` is."""

    def __init__(self, packed: PackedConv) -> None:
        super().__init__()
        self.packed = packed

    def forward(self, x: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> StreamedConv:
        return self.packed.stream(x, past)


def join_past(
    x: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None, *, num_past: int
) -> tuple[Float[Tensor, "B PF D"], Float[Tensor, "B P D"]]:
    """The piece behind its past (zeros at the start of a stream), and the past for the piece after it."""
    if past is None:
        past = x.new_zeros(x.shape[0], num_past, x.shape[2])
    joined = torch.cat([past, x], dim=1)
    return joined, joined[:, joined.shape[1] - num_past :]
