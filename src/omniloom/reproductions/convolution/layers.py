"""Layers that convolutions are compared on: those of published networks and of the codecs, one of each kind.

None was left out for being slow here; tuning looked at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution and its input, without batch: `size` is (H, W), or (N,) for sound."""

    name: str
    channels: int
    channels_out: int
    size: tuple[int, ...]
    kernel: tuple[int, ...] = (3, 3)
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    batch: int = 1

    def with_batch(self, batch: int) -> Layer:
        return replace(self, batch=batch, name=f"{self.name}, batch {batch}")

    @property
    def size_out(self) -> tuple[int, ...]:
        reach = [(taps - 1) * self.dilation + 1 for taps in self.kernel]
        return tuple((n + 2 * self.padding - r) // self.stride + 1 for n, r in zip(self.size, reach, strict=True))

    @property
    def num_pixels(self) -> int:
        return self.batch * prod(self.size_out)

    @property
    def flops(self) -> int:
        """Of the direct algorithm, whichever is used."""
        return 2 * self.num_pixels * self.channels_out * self.channels // self.groups * prod(self.kernel)

    @property
    def patch_bytes(self) -> int:
        """What im2col copies."""
        return 4 * self.num_pixels * prod(self.kernel) * self.channels

    @property
    def pointer_bytes(self) -> int:
        """Of an indirection buffer for the whole layer; the library keeps one chunk of it at a time."""
        return 8 * self.num_pixels * prod(self.kernel)

    @property
    def needs_patches(self) -> bool:
        return prod(self.kernel) > 1 or self.stride > 1

    @property
    def settings(self) -> dict[str, int]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input in torch's own layout, weight and bias."""
        weight = torch.randn(self.channels_out, self.channels // self.groups, *self.kernel) * 0.05
        return torch.randn(self.batch, self.channels, *self.size), weight, torch.randn(self.channels_out)


def square(channels: int, channels_out: int, side: int, *, stride: int = 1) -> Layer:
    step = "" if stride == 1 else f" s{stride}"
    widths = f"{channels}" if channels == channels_out else f"{channels}-{channels_out}"
    name = f"3x3{step} {widths} {side}²"
    return Layer(name=name, channels=channels, channels_out=channels_out, size=(side, side), stride=stride)


def pointwise(channels: int, channels_out: int, side: int) -> Layer:
    name = f"1x1 {channels}-{channels_out} {side}²"
    return Layer(name=name, channels=channels, channels_out=channels_out, size=(side, side), kernel=(1, 1), padding=0)


POINTWISE = pointwise(512, 128, 28)
DEPTHWISE = Layer(name="depthwise 3x3 96 112²", channels=96, channels_out=96, size=(112, 112), groups=96)
LONG_SOUND = Layer(
    name="1-D k7 d9 64, T 12000", channels=64, channels_out=64, size=(12000,), kernel=(7,), padding=27, dilation=9
)
SHORT_SOUND = Layer(
    name="1-D k7 d9 512, T 75", channels=512, channels_out=512, size=(75,), kernel=(7,), padding=27, dilation=9
)
STREAM = Layer(name="1-D k7 512, T 1 (stream)", channels=512, channels_out=512, size=(7,), kernel=(7,), padding=0)

LAYERS = (
    square(64, 64, 56),
    square(128, 128, 28),
    square(256, 256, 14),
    square(512, 512, 7),
    square(64, 64, 224),
    square(512, 512, 64),
    square(512, 512, 14, stride=2),
    POINTWISE,
    DEPTHWISE,
    LONG_SOUND,
    SHORT_SOUND,
)
POINTWISES = (
    pointwise(64, 256, 56),
    pointwise(256, 64, 56),
    POINTWISE,
    pointwise(128, 512, 28),
    pointwise(256, 1024, 14),
    pointwise(1024, 256, 14),
    pointwise(512, 2048, 7),
    pointwise(2048, 512, 7),
)
"""Every 1x1 layer of stride 1 in ResNet-50 (He et al. 2015) that widens again or narrows inside its stage."""
STREAMS = ((512, 7, 1), (512, 3, 1), (256, 7, 3), (128, 3, 1), (64, 7, 9))
"""Width, taps and dilation of convolutions that get one frame at a time."""
OTHERS_3X3 = (square(16, 16, 56), square(32, 32, 28), square(64, 64, 7), square(128, 128, 7), square(24, 96, 5))
"""Where Winograd has little to win."""
VGG = (
    square(64, 64, 224),
    square(64, 128, 112),
    square(128, 128, 112),
    square(128, 256, 56),
    square(256, 256, 56),
    square(256, 512, 28),
    square(512, 512, 28),
    square(512, 512, 14),
)
"""Network E of Simonyan & Zisserman 2014, without its first layer of 3 channels."""
