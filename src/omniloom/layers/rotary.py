"""Rotary positions (Su et al. 2021, RoFormer, section 3.2), halves paired rather than neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotary_angles(
    positions: Int[Tensor, "B T"], *, head_width: int, base: float
) -> tuple[Float[Tensor, "B 1 T half"], Float[Tensor, "B 1 T half"]]:
    """Cosines and sines for each position; pair i turns by position x base^(-2i / head_width)."""
    half = head_width // 2
    frequencies = base ** (-torch.arange(half, device=positions.device, dtype=torch.float32) / half)
    angles = positions[:, None, :, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "B heads T E"], cosine: Float[Tensor, "B 1 T half"], sine: Float[Tensor, "B 1 T half"]
) -> Float[Tensor, "B heads T E"]:
    """Turn element i together with element i + E/2; the result keeps the type of `x`."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1).to(x.dtype)
