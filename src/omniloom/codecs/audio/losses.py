"""What the codec is trained on: spectra at several window lengths, mel bands, and pitch.

No term compares samples, for the decoder makes its own phase. An adversary was not tried: it would cost more than the
codec itself in the minutes of training there are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.codecs.audio.spectrum import (
    HIGHEST_PITCH_HZ,
    LOWEST_PITCH_HZ,
    RATE_HZ,
    SAMPLES_PER_FRAME,
    log_magnitude,
    mel_filters,
)

RESOLUTIONS = (320, 640, 1280)
"""Window lengths in samples: 20 ms sees plosives, 80 ms sees the harmonics of a low voice."""

LOG_FLOOR = 1e-3


class Losses(NamedTuple):
    total: Tensor
    mel: Tensor
    spectrum: Tensor
    pitch: Tensor


def reconstruction_losses(
    made: Float[Tensor, "B N"],
    target: Float[Tensor, "B N"],
    octaves: Float[Tensor, "B F"],
    *,
    pitch_weight: float = 1.0,
) -> Losses:
    """The sum to be minimised and its parts; `octaves` is the decoder's pitch, in octaves above the lowest."""
    mel = mel_distance(made, target)
    spectrum = torch.stack([_spectrum_distance(made, target, window) for window in RESOLUTIONS]).mean()
    wanted, is_voiced = track_pitch(target)
    voiced = is_voiced.float()
    pitch = (F.smooth_l1_loss(octaves, wanted, beta=0.05, reduction="none") * voiced).sum() / voiced.sum().clamp_min(1)
    return Losses(3 * mel + spectrum + pitch_weight * pitch, mel, spectrum, pitch)


def mel_distance(made: Float[Tensor, "B N"], target: Float[Tensor, "B N"], window: int = 640) -> Float[Tensor, ""]:
    """Mean absolute difference of log10 mel magnitudes."""
    filters = mel_filters(window).to(made)
    pair = [log_magnitude(_magnitude(samples, window, window // 4) @ filters) for samples in (made, target)]
    return (pair[0] - pair[1]).abs().mean()


def _spectrum_distance(made: Tensor, target: Tensor, window: int) -> Tensor:
    """Spectral convergence plus the log distance above a floor (Yamamoto et al. 2020, Parallel WaveGAN, section 2.2)."""
    a, b = (_magnitude(samples, window, window // 4) * (4 / window) for samples in (made, target))
    linear = (a - b).norm(dim=(1, 2)) / b.norm(dim=(1, 2)).clamp_min(0.05)
    log = ((a + LOG_FLOOR).log() - (b + LOG_FLOOR).log()).abs().mean()
    return 0.5 * linear.mean() + log


def _magnitude(samples: Tensor, window: int, hop: int) -> Tensor:
    frames = F.pad(samples, (window // 2, window // 2)).unfold(-1, window, hop)
    spectrum = torch.fft.rfft(frames * torch.hann_window(window, device=samples.device))
    # The root's slope at zero is infinite; 1e-12 is far under any floor used above.
    return (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt()


@torch.no_grad()
def track_pitch(samples: Float[Tensor, "B N"]) -> tuple[Float[Tensor, "B F"], Bool[Tensor, "B F"]]:
    """Each frame's pitch in octaves above the lowest, and whether it has one, by normalized correlation around it.

    The shortest lag within 10 % of the best wins, which avoids most octave errors. Looks ahead: for training only.
    """
    window = 1600
    side = (window - SAMPLES_PER_FRAME) // 2
    frames = F.pad(samples, (side, side)).unfold(-1, window, SAMPLES_PER_FRAME)
    shortest, longest = int(RATE_HZ / HIGHEST_PITCH_HZ), int(RATE_HZ / LOWEST_PITCH_HZ) + 1
    spectrum = torch.fft.rfft(frames, n=2 * window)
    lags = torch.fft.irfft(spectrum.abs().square())[..., : longest + 2]
    energy = F.pad(frames.square().cumsum(-1), (1, 0))
    shift = torch.arange(longest + 2, device=samples.device)
    heads, tails = energy[..., window - shift], energy[..., window : window + 1] - energy[..., shift]
    score = lags / (heads * tails).clamp_min(1e-6).sqrt()
    inner = score[..., shortest : longest + 1]
    is_peak = (inner >= score[..., shortest - 1 : longest]) & (inner > score[..., shortest + 1 : longest + 2])
    best = torch.where(is_peak, inner, -1.0).amax(-1, keepdim=True)
    lag = (is_peak & (inner > 0.9 * best)).float().argmax(-1) + shortest
    left, mid, right = (score.gather(-1, (lag + d)[..., None])[..., 0] for d in (-1, 0, 1))
    bend = (left - 2 * mid + right).clamp_max(-1e-6)
    exact = lag + (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    is_voiced = (best[..., 0] > 0.6) & (energy[..., -1] / window > 1e-5)
    octaves = (RATE_HZ / exact / LOWEST_PITCH_HZ).log2().clamp(0, math.log2(HIGHEST_PITCH_HZ / LOWEST_PITCH_HZ))
    return octaves, is_voiced
