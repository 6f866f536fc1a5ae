"""How like its original a picture is that went through a codec: PSNR and SSIM, picture by picture."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

WINDOW, DEVIATION = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
MAX_PSNR_DB = 100.0
"""Of pictures that are alike, whose error has no logarithm."""


def psnr_db(ours: Float[Tensor, "B 3 H W"], theirs: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio of pictures in 0..1, decibels."""
    error = ((ours - theirs) ** 2).mean(dim=(1, 2, 3))
    return (-10 * error.clamp(min=10 ** (-MAX_PSNR_DB / 10)).log10()).float()


def ssim(ours: Float[Tensor, "B 3 H W"], theirs: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
    """Structural similarity (Wang et al. 2004, section III.B) of pictures in 0..1: at most 1, which is alike.

    With the published Gaussian window of 11 x 11 pixels and deviation 1.5, K1 = 0.01 and K2 = 0.03, over whole windows
    only; each colour by itself, then the mean.
    """
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    line = torch.exp(-(places**2) / (2 * DEVIATION**2))
    window = torch.outer(line, line) / line.sum() ** 2

    def local(values: Tensor) -> Tensor:
        return F.conv2d(values, window.expand(3, 1, WINDOW, WINDOW), groups=3)

    x, y = ours.double(), theirs.double()
    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return (likeness / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))).mean(dim=(1, 2, 3)).float()
