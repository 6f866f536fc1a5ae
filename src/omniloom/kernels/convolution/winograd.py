"""The matrices of Winograd's F(2x2, 3x3) and F(4x4, 3x3), and weights transformed by them.

A tile of `side` x `side` outputs needs (side + 2)² products instead of 9 side² (Lavin & Gray 2015, "Fast Algorithms for
Convolutional Neural Networks", section 4; the transforms are Toom & Cook's interpolation at side + 1 points and at
infinity). Points decide the error: for side 4, random data of unit variance and 512 channels, 0, ±1, ±2 err by 3e-6 of
the output's scale and 0, ±√½, ±√2 by 9e-7.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))}
"""Where F(side x side, 3x3) interpolates, beside infinity."""


class Transforms(NamedTuple):
    """With weights g and inputs d of a tile: outputs = A [(G g Gᵀ) * (B d Bᵀ)] Aᵀ; in double precision."""

    output: Float[Tensor, "S N"]
    weight: Float[Tensor, "N 3"]
    input: Float[Tensor, "N N"]


def transforms(side: int) -> Transforms:
    """A, G and B of the paper's equation 8, where A and B are there transposed."""
    points = torch.tensor(POINTS[side], dtype=torch.float64)
    num_points = len(points)
    at_infinity = torch.zeros(1, num_points + 1, dtype=torch.float64)
    at_infinity[0, -1] = 1.0
    others = [torch.cat([points[:i], points[i + 1 :]]) for i in range(num_points)]
    scale = torch.stack([(point - rest).prod() for point, rest in zip(points, others, strict=True)])
    output = torch.cat([points ** torch.arange(side)[:, None], at_infinity[:, -side:].T], dim=1)
    weight = torch.cat([points[:, None] ** torch.arange(3) / scale[:, None], at_infinity[:, -3:]])
    finite = torch.stack([_polynomial(rest, num_points + 1) for rest in others])
    return Transforms(output, weight, torch.cat([finite, _polynomial(points, num_points + 1)[None]]))


def transform_weight(weight: Float[Tensor, "O I 3 3"], side: int) -> Float[Tensor, "N2 O I"]:
    """G g Gᵀ for every pair of channels, rounded once."""
    matrix = transforms(side).weight.to(weight.device)
    planes = torch.einsum("ya,oiab,xb->yxoi", matrix, weight.double(), matrix)
    return planes.flatten(0, 1).to(weight.dtype)


def _polynomial(roots: Float[Tensor, " R"], num_coefficients: int) -> Float[Tensor, " C"]:
    """Coefficients of the product of (x - root), lowest first."""
    found = torch.zeros(num_coefficients, dtype=torch.float64)
    found[0] = 1.0
    for root in roots:
        found = found.roll(1) - root * found
    return found
