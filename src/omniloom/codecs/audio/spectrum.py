"""What the codec hears: mel bands and short-lag correlation, free of phase.

The codes should be the same for the same word wherever its pitch pulses fall, for a language model must learn them. So
the encoder is given nothing that turns with phase: the energy in mel bands (O'Shaughnessy's scale, 2595 log10(1 +
f/700)) and the correlation of each window with itself at the lags of human pitch, both from one power spectrum. Complex
spectra and samples as input were rejected for that reason. Every window ends where its hop ends: nothing looks ahead.
"""

from __future__ import annotations

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

RATE_HZ = 16_000
SAMPLES_PER_FRAME = 640
HOP = 160
HOPS_PER_FRAME = SAMPLES_PER_FRAME // HOP
WINDOW = 640
NUM_PAST_SAMPLES = WINDOW - HOP
"""Samples before a frame that its first window reaches back to."""

NUM_MELS = 80
NUM_LAGS = 48
NUM_FEATURES = HOPS_PER_FRAME * (NUM_MELS + NUM_LAGS)
LOWEST_PITCH_HZ = 55.0
HIGHEST_PITCH_HZ = 480.0

FLOOR = 1e-5
"""Magnitude under which a mel band counts as silent: about the rounding of 16-bit samples."""


def frame_features(samples: Float[Tensor, "B N"]) -> Float[Tensor, "B F features"]:
    """Features of each whole frame of `samples`, which begin with `NUM_PAST_SAMPLES` from before the first."""
    windows = samples.unfold(-1, WINDOW, HOP) * _window(samples.dtype, samples.device)
    power = power_of(torch.fft.rfft(windows))
    log_mel = log_magnitude(power.sqrt() @ mel_filters(WINDOW).to(power))
    # The square root of power flattens formants, so that the peak at the pitch's lag stands out.
    correlation = torch.fft.irfft((power + 1e-7).sqrt(), n=WINDOW)
    lags = correlation[..., : WINDOW // 2] @ lag_points(WINDOW // 2).to(power)
    features = torch.cat([log_mel / 4 + 0.5, 4 * lags / correlation[..., :1]], dim=-1)
    return features.unflatten(1, (-1, HOPS_PER_FRAME)).flatten(-2)


def power_of(spectrum: Tensor) -> Tensor:
    """The square of the magnitude; the magnitude itself, without under- or overflow, costs ten times as much."""
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


def log_magnitude(magnitude: Tensor) -> Tensor:
    return magnitude.clamp_min(FLOOR).log10()


@functools.cache
def _window(dtype: torch.dtype, device: torch.device) -> Float[Tensor, " window"]:
    return torch.hann_window(WINDOW, dtype=dtype, device=device)


@functools.cache
def mel_filters(window: int, num_mels: int = NUM_MELS) -> Float[Tensor, "bins mels"]:
    """Triangles on the mel scale over the bins of a window, each of weights that sum to one; by magnitude of a Hann
    window, so that a full-scale sine gives about one."""
    edges = _from_mel(torch.linspace(_to_mel(0.0), _to_mel(RATE_HZ / 2), num_mels + 2, dtype=torch.float64))
    bins = torch.linspace(0, RATE_HZ / 2, window // 2 + 1, dtype=torch.float64)[:, None]
    # A triangle narrower than a bin would fall between two: widen it to one.
    centre = edges[1:-1]
    low = torch.minimum(edges[:-2], centre - RATE_HZ / window)
    high = torch.maximum(edges[2:], centre + RATE_HZ / window)
    triangles = torch.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clamp_min(0)
    return triangles / triangles.sum(0) * (4 / window)


@functools.cache
def lag_points(num_lags: int) -> Float[Tensor, "lags points"]:
    """Weights that read a correlation at `NUM_LAGS` lags, evenly spaced by ratio over the range of pitch."""
    longest = min(RATE_HZ / LOWEST_PITCH_HZ, num_lags - 2)
    points = torch.logspace(math.log10(RATE_HZ / HIGHEST_PITCH_HZ), math.log10(longest), NUM_LAGS, dtype=torch.float64)
    return (1 - (torch.arange(num_lags)[:, None] - points).abs()).clamp_min(0)


@functools.cache
def band_curves(num_bands: int, num_bins: int) -> Float[Tensor, "bands bins"]:
    """Straight lines between `num_bands` points on the mel scale, read at evenly spaced frequencies to the highest."""
    points = torch.linspace(_to_mel(0.0), _to_mel(RATE_HZ / 2), num_bands, dtype=torch.float64)
    frequencies = torch.linspace(0, RATE_HZ / 2, num_bins, dtype=torch.float64)
    mels = 2595 * torch.log10(1 + frequencies / 700)
    step = points[1] - points[0]
    return (1 - ((mels[None, :] - points[:, None]) / step).abs()).clamp_min(0)


def _to_mel(frequency_hz: float) -> float:
    return 2595 * math.log10(1 + frequency_hz / 700)


def _from_mel(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
