"""The pitch that speech has, as training sees it: it looks ahead, so no codec uses it to encode.

Plain correlation rather than a learned tracker: it must be right on clean speech only, and costs nothing beside a step
of training.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.codecs.audio.spectrum import HIGHEST_PITCH_HZ, LOWEST_PITCH_HZ, RATE_HZ, SAMPLES_PER_FRAME, power_of


class TrackedPitch(NamedTuple):
    """Each frame's pitch in octaves above the lowest, and whether it has one."""

    octaves: Float[Tensor, "B F"]
    is_voiced: Bool[Tensor, "B F"]


@torch.no_grad()
def track_pitch(samples: Float[Tensor, "B N"]) -> TrackedPitch:
    """The pitch of each frame, by normalized correlation of the 100 ms around it.

    The shortest lag within 10 % of the best wins, which avoids most octave errors.
    """
    window = 1600
    side = (window - SAMPLES_PER_FRAME) // 2
    frames = F.pad(samples, (side, side)).unfold(-1, window, SAMPLES_PER_FRAME)
    shortest, longest = int(RATE_HZ / HIGHEST_PITCH_HZ), int(RATE_HZ / LOWEST_PITCH_HZ) + 1
    # As long as keeps the lags that are read from wrapping around.
    lags = torch.fft.irfft(power_of(torch.fft.rfft(frames, n=2048)), n=2048)[..., : longest + 2]
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
    return TrackedPitch(octaves, is_voiced)
