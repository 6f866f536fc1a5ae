"""Finite scalar quantization: real vectors rounded to a fixed grid, so that a codec's codes need no learned codebook.

Rests on Mentzer et al. 2023, "Finite Scalar Quantization: VQ-VAE Made Simple", section 3: every channel is bounded by
tanh and rounded, and the gradient passes straight through the rounding. A learned codebook (vector quantization) was
rejected: it needs commitment losses and revival of dead entries, and it gives a language model no digits to share
between neighbouring codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Quantized(NamedTuple):
    """Grid values in [-1, 1] that carry gradients, and their codes."""

    values: Float[Tensor, "*batch C"]
    codes: Int[Tensor, "*batch"]


class FiniteScalarQuantizer(nn.Module):
    """Round each of `len(levels)` channels to its levels; the first channel is the code's least significant digit."""

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or any(level < 2 for level in levels):
            raise ValueError(f"levels must hold whole numbers of at least 2, got {list(levels)}")
        self.levels = tuple(levels)
        self.num_codes = math.prod(levels)
        steps = [math.prod(levels[:index]) for index in range(len(levels))]
        # Constants, not weights: kept out of the state so that a checkpoint holds only what was learned.
        self.register_buffer("_level", torch.tensor(levels), persistent=False)
        self.register_buffer("_step", torch.tensor(steps), persistent=False)
        self._level: Tensor
        self._step: Tensor

    @property
    def num_channels(self) -> int:
        return len(self.levels)

    def forward(self, z: Float[Tensor, "*batch C"]) -> Quantized:
        """Quantize in float32, whatever the autocast: a code must not depend on the mode of the caller."""
        digits, bounded = self._digits(z.float())
        values = self._to_values(digits)
        soft = self._to_values(bounded)
        return Quantized(soft + (values - soft).detach(), self._codes(digits))

    def codes(self, z: Float[Tensor, "*batch C"]) -> Int[Tensor, "*batch"]:
        """The codes that `forward` gives."""
        return self._codes(self._digits(z.float())[0])

    def codes_to_values(self, codes: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch C"]:
        """The grid values of codes, equal to those that `forward` gave with them.

        Raises:
            ValueError: If a code lies outside 0..num_codes - 1.
        """
        self.require(codes)
        digits = (codes[..., None].long() // self._step) % self._level
        return self._to_values(digits.float())

    def require(self, codes: Int[Tensor, "*batch"]) -> None:
        """Refuse codes that there are not.

        Raises:
            ValueError: If a code lies outside 0..num_codes - 1.
        """
        if not codes.numel():
            return
        lowest, highest = (int(code) for code in torch.aminmax(codes))
        if lowest < 0 or highest >= self.num_codes:
            raise ValueError(f"codes must lie in 0..{self.num_codes - 1}, got {lowest}..{highest}")

    def _digits(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Each channel's digit 0..level - 1, rounded and not rounded.

        Even levels have no middle digit: a half offset puts z = 0 between both middle ones, and it rounds up.
        """
        half = (self._level - 1).to(z.dtype) / 2
        # The outermost digits own half a step beyond their value, so every digit is reached by a finite z.
        reach = half + 0.5 - 1e-3
        bounded = half + torch.tanh(z) * reach
        digits = torch.floor(bounded + 0.5).clamp(torch.zeros_like(half), 2 * half)
        return digits, bounded

    def _codes(self, digits: Tensor) -> Tensor:
        return (digits.long() * self._step).sum(-1)

    def _to_values(self, digits: Tensor) -> Tensor:
        half = (self._level - 1).to(digits.dtype) / 2
        return (digits - half) / half
