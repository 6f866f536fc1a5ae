"""Between encoder and decoder: features to codes, by the Gumbel-softmax relaxation or by finite scalar quantization.

Both stand behind one interface, so that a codec and its training differ in nothing else and can be compared.
Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017): while training, a code is a draw from softmax((logits + g) /
tau) with Gumbel noise g, a mixture of codes that becomes one code as tau falls; its distribution is kept near the even
one by a KL term. Used, it is the likeliest code. FSQ needs neither noise nor a term: a value is rounded, and gradients
pass. Straight-through Gumbel draws were left out: the paper relaxes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from omniloom.layers.quantizer import FiniteScalarQuantizer


class Relaxed(NamedTuple):
    """What the decoder is given while training, and the KL divergence from the even distribution, nats a code."""

    values: Float[Tensor, "B C grid grid"]
    kl: Float[Tensor, ""]


class Bottleneck(Protocol):
    """Features to codes and to the values that the decoder is given for them."""

    num_features: int
    num_values: int
    num_codes: int
    levels: tuple[int, ...]

    def relax(
        self,
        features: Float[Tensor, "B C grid grid"],
        *,
        temperature: float,
        noise: torch.Generator | None,
        noise_scale: float = 1.0,
    ) -> Relaxed:
        """While training."""
        ...

    def codes(self, features: Float[Tensor, "B C grid grid"]) -> Int[Tensor, "B grid grid"]: ...

    def values(self, codes: Int[Tensor, "B grid grid"]) -> Float[Tensor, "B C grid grid"]: ...

    def __call__(self, *arguments: Any) -> Any: ...


class GumbelSoftmax(nn.Module):
    """A code is one of `num_codes`, and the decoder's first layer is its codebook."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        num_codes: int = 512

        def __post_init__(self) -> None:
            if self.num_codes < 2:
                raise ValueError(f"num_codes must be at least 2, got {self.num_codes}")

        def build(self) -> GumbelSoftmax:
            return GumbelSoftmax(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.num_codes = self.num_features = self.num_values = config.num_codes
        self.levels: tuple[int, ...] = ()

    def relax(
        self,
        features: Float[Tensor, "B C grid grid"],
        *,
        temperature: float,
        noise: torch.Generator | None,
        noise_scale: float = 1.0,
    ) -> Relaxed:
        """`noise` draws the Gumbel noise; None draws none. Times s it draws codes from softmax(logits / s)."""
        logits = features.float()
        log_q = F.log_softmax(logits, dim=1)
        kl = (log_q.exp() * (log_q + math.log(self.num_codes))).sum(dim=1).mean()
        if noise is not None:
            # Two logarithms of an even draw take a third of the time of torch's exponential draws.
            even = torch.rand(logits.shape, generator=noise, device=logits.device).clamp(1e-7, 1 - 1e-7)
            logits = logits - noise_scale * (-even.log()).log()
        return Relaxed(F.softmax(logits / temperature, dim=1), kl)

    def codes(self, features: Float[Tensor, "B C grid grid"]) -> Int[Tensor, "B grid grid"]:
        return features.argmax(dim=1)

    def values(self, codes: Int[Tensor, "B grid grid"]) -> Float[Tensor, "B C grid grid"]:
        return F.one_hot(codes, self.num_codes).movedim(-1, 1).float()


class FiniteScalar(nn.Module):
    """A code is a point of the grid of `levels`."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        levels: tuple[int, ...] = (8, 8, 8)

        def build(self) -> FiniteScalar:
            return FiniteScalar(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.quantizer = FiniteScalarQuantizer(config.levels)
        self.num_codes, self.levels = self.quantizer.num_codes, self.quantizer.levels
        self.num_features = self.num_values = self.quantizer.num_channels

    def relax(
        self,
        features: Float[Tensor, "B C grid grid"],
        *,
        temperature: float,
        noise: torch.Generator | None,
        noise_scale: float = 1.0,
    ) -> Relaxed:
        """Rounded, with gradients; neither temperature nor noise has a part in it."""
        values = self.quantizer(features.movedim(1, -1)).values
        return Relaxed(values.movedim(-1, 1), features.new_zeros(()))

    def codes(self, features: Float[Tensor, "B C grid grid"]) -> Int[Tensor, "B grid grid"]:
        return self.quantizer.codes(features.movedim(1, -1))

    def values(self, codes: Int[Tensor, "B grid grid"]) -> Float[Tensor, "B C grid grid"]:
        return self.quantizer.codes_to_values(codes).movedim(-1, 1)
