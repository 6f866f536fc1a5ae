"""The logit-Laplace distribution: how likely a pixel is, with no probability outside of the colours there are.

Ramesh et al. 2021 (DALL·E), appendix A.3. A Laplace distribution over the logit of a value lies whole within (0, 1),
where the Laplace and the normal distribution of other autoencoders give weight to colours that no picture can have. As
the density grows without bound towards 0 and 1, a pixel x is first moved to 0.8 x + 0.1, away from both.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

MARGIN = 0.1
"""Of the values at either end that no pixel takes."""
MIN_LOG_SCALE = -1.0
"""Where a picture is all one colour the likeliest scale is zero and the density has no bound: white paper then takes
the gradient from what is drawn on it. Of -6, -3.35 (a step of 1/255), -2 and -1, the last was the most exact."""


def map_pixels(pixels: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixels in 0..1 to 0.8 x + 0.1."""
    return (1 - 2 * MARGIN) * pixels + MARGIN


def unmap_pixels(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The inverse of `map_pixels`; values beyond those of black and white become these."""
    return ((values - MARGIN) / (1 - 2 * MARGIN)).clamp(0, 1)


def logit_laplace_log_density(
    values: Float[Tensor, "*shape"], location: Float[Tensor, "*shape"], log_scale: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Natural logarithm of 1 / (2 b x (1 - x)) exp(-|logit(x) - location| / b), with b = exp(log_scale), at x = values.

    The values lie strictly between 0 and 1.
    """
    distance = (torch.logit(values) - location).abs()
    return -math.log(2) - log_scale - values.log() - torch.log1p(-values) - distance * torch.exp(-log_scale)


def pixel_nll(pixels: Float[Tensor, "B 3 H W"], decoded: Float[Tensor, "B 6 H W"]) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of pixels in 0..1, nats for each of a pixel's three values.

    `decoded` holds three locations and three logarithms of scales; the latter are kept above `MIN_LOG_SCALE` smoothly.
    """
    location, raw = decoded.float().chunk(2, dim=1)
    log_scale = MIN_LOG_SCALE + F.softplus(raw - MIN_LOG_SCALE)
    return -logit_laplace_log_density(map_pixels(pixels.float()), location, log_scale).mean()


def likeliest_pixels(decoded: Float[Tensor, "B 6 H W"]) -> Float[Tensor, "B 3 H W"]:
    """The picture to show: the median of each pixel's distribution, sigmoid(location), mapped back to 0..1."""
    return unmap_pixels(torch.sigmoid(decoded[:, :3].float()))
