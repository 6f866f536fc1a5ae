"""Root-mean-square norm, the only norm in the transformer (Zhang & Sennrich 2019, section 3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """Scale each vector to unit root mean square, then by a learned weight; statistics in float32 under autocast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
        return F.rms_norm(x, self.weight.shape, self.weight, eps=NORM_EPSILON)


NORM_EPSILON = 1e-6
"""Added to the mean square; fixed, so that the native decode step and this one agree."""


def unit_norm(x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
    """Each vector at unit root mean square, without a weight."""
    return F.rms_norm(x, x.shape[-1:], eps=NORM_EPSILON)
