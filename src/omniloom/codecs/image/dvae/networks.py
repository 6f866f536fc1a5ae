"""The published encoder and decoder of pictures: groups of residual blocks, a resolution each.

Encoder and decoder of Ramesh et al. 2021, appendix A.2, as their code has them: a 7x7 stem, max-pooling between groups
(nearest neighbours on the way back), widths that double with each halving of the side, bottlenecks of a quarter of the
width, ReLU before each convolution, and residual paths scaled by 1 / layers^2, so that at first a block passes on what
it is given. The published sizes are `paper()`; a CPU trains a few hundredths of it. Normalisation layers are left out,
as there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ConvolutionSizes:
    """How wide and deep both networks are; a code stands for a square of `factor` pixels a side."""

    width: int = 32
    num_groups: int = 4
    blocks_per_group: int = 1
    decoder_width: int = 64
    """Of what the codes are turned into first."""

    def __post_init__(self) -> None:
        sizes = (self.width, self.num_groups, self.blocks_per_group, self.decoder_width)
        if min(sizes) < 1 or self.width % 4:
            raise ValueError(f"sizes must be at least 1 and width a multiple of 4, got {self}")

    @property
    def factor(self) -> int:
        return 2 ** (self.num_groups - 1)

    @property
    def gain(self) -> float:
        """1 / layers^2, of every residual path."""
        return 1 / (self.num_groups * self.blocks_per_group) ** 2


def paper() -> ConvolutionSizes:
    """Width 256, four groups of two blocks: a picture of 256 x 256 pixels is 32 x 32 codes."""
    return ConvolutionSizes(width=256, num_groups=4, blocks_per_group=2, decoder_width=128)


class Block(nn.Module):
    """A residual bottleneck; `kernels` are those of its four convolutions."""

    def __init__(self, num_in: int, num_out: int, *, kernels: tuple[int, int, int, int], gain: float) -> None:
        super().__init__()
        inner = num_out // 4
        self.gain = gain
        self.identity = convolution(num_in, num_out, 1) if num_in != num_out else nn.Identity()
        widths = (num_in, inner, inner, inner, num_out)
        path: list[nn.Module] = []
        for before, after, kernel in zip(widths, widths[1:], kernels, strict=False):
            path += [nn.ReLU(), convolution(before, after, kernel)]
        self.path = nn.Sequential(*path)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        return self.identity(x) + self.gain * self.path(x)


class Encoder(nn.Module):
    """Pictures to features on the grid of codes."""

    def __init__(self, sizes: ConvolutionSizes, num_features: int) -> None:
        super().__init__()
        width = sizes.width
        steps: OrderedDict[str, nn.Module] = OrderedDict(stem=convolution(3, width, 7))
        for group in range(sizes.num_groups):
            for block in range(sizes.blocks_per_group):
                before = width * 2 ** (group - 1) if group and not block else width * 2**group
                steps[f"group_{group}_{block}"] = Block(before, width * 2**group, kernels=(3, 3, 3, 1), gain=sizes.gain)
            if group < sizes.num_groups - 1:
                steps[f"pool_{group}"] = nn.MaxPool2d(2)
        steps["relu"] = nn.ReLU()
        steps["out"] = convolution(width * sizes.factor, num_features, 1)
        self.steps = nn.Sequential(steps)

    def forward(self, pixels: Float[Tensor, "B 3 side side"]) -> Float[Tensor, "B C grid grid"]:
        """Of pixels in 0..1, moved to 0.1..0.9 as the likelihood has them."""
        return self.steps(pixels)


class Decoder(nn.Module):
    """Values on the grid of codes to two numbers for each of a pixel's three values."""

    def __init__(self, sizes: ConvolutionSizes, num_values: int) -> None:
        super().__init__()
        width, before = sizes.width, sizes.decoder_width
        steps: OrderedDict[str, nn.Module] = OrderedDict(into=convolution(num_values, before, 1))
        for group in reversed(range(sizes.num_groups)):
            for block in range(sizes.blocks_per_group):
                after = width * 2**group
                steps[f"group_{group}_{block}"] = Block(before, after, kernels=(1, 3, 3, 3), gain=sizes.gain)
                before = after
            if group:
                steps[f"up_{group}"] = nn.Upsample(scale_factor=2, mode="nearest")
        steps["relu"] = nn.ReLU()
        steps["out"] = convolution(before, 6, 1)
        self.steps = nn.Sequential(steps)

    def forward(self, values: Float[Tensor, "B C grid grid"]) -> Float[Tensor, "B 6 side side"]:
        return self.steps(values)


def convolution(num_in: int, num_out: int, kernel: int) -> nn.Conv2d:
    """One that keeps the side, with normal weights of deviation 1 / sqrt(inputs), and no bias at first."""
    layer = nn.Conv2d(num_in, num_out, kernel, padding=(kernel - 1) // 2)
    nn.init.normal_(layer.weight, std=(num_in * kernel**2) ** -0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
