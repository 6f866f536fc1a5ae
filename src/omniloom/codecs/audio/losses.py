"""What the codec is trained on: spectra at several window lengths, mel bands, and pitch.

No term compares samples, for the decoder makes its own phase. An adversary was not tried: it would cost more than the
codec itself in the minutes of training there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.codecs.audio.codec import RoundTrip
from omniloom.codecs.audio.spectrum import HOP, log_magnitude, mel_filters, power_of

RESOLUTIONS = (320, 640, 1280)
"""Window lengths in samples: 20 ms sees plosives, 80 ms sees the harmonics of a low voice."""

MEL_WINDOW = 640
LOG_FLOOR = 1e-3
AUDIBLE = 2e-3
"""Share of an excerpt's loudest band under which nothing counts: -54 dB."""
PITCH_WEIGHT = 3.0
SPREAD_WEIGHT = 0.3


class Losses(NamedTuple):
    total: Tensor
    mel: Tensor
    spectrum: Tensor
    pitch: Tensor
    spread: Tensor


def codec_losses(trip: RoundTrip, target: Float[Tensor, "B N"]) -> Losses:
    """The sum to be minimised and its parts."""
    mel_parts, spectra = [], []
    for window in RESOLUTIONS:
        made, wanted = _magnitude(trip.samples, window), _magnitude(target, window)
        spectra.append(_spectrum_distance(made, wanted))
        if window == MEL_WINDOW:
            mel_parts.append(_mel_distance(made, wanted))
    mel, spectrum = mel_parts[0], torch.stack(spectra).mean()
    weight = trip.tracked.is_voiced.float()
    misses = F.smooth_l1_loss(trip.octaves, trip.tracked.octaves, beta=0.05, reduction="none")
    pitch = (misses * weight).sum() / weight.sum().clamp_min(1)
    spread = _spread_distance(trip.bounded)
    return Losses(3 * mel + spectrum + PITCH_WEIGHT * pitch + SPREAD_WEIGHT * spread, mel, spectrum, pitch, spread)


def mel_distance(made: Float[Tensor, "B N"], target: Float[Tensor, "B N"]) -> Float[Tensor, ""]:
    """Mean absolute difference of log10 mel magnitudes, as far as they are heard."""
    return _mel_distance(_magnitude(made, MEL_WINDOW), _magnitude(target, MEL_WINDOW))


def _mel_distance(made: Tensor, target: Tensor) -> Tensor:
    filters = mel_filters(MEL_WINDOW).to(made)
    made, target = made @ filters, target @ filters
    # What lies this far under the loudest is not heard; without a floor half the loss is the hiss of recordings.
    floor = AUDIBLE * target.amax((1, 2), keepdim=True)
    return (log_magnitude(torch.maximum(made, floor)) - log_magnitude(torch.maximum(target, floor))).abs().mean()


def _spectrum_distance(made: Tensor, target: Tensor) -> Tensor:
    """Spectral convergence plus log distance (Yamamoto et al. 2020, Parallel WaveGAN, section 2.2), over a floor."""
    scale = 2 / made.shape[-1]  # a full-scale sine is about one, whatever the window
    made, target = made * scale, target * scale
    linear = (made - target).norm(dim=(1, 2)) / target.norm(dim=(1, 2)).clamp_min(0.05)
    return 0.5 * linear.mean() + ((made + LOG_FLOOR).log() - (target + LOG_FLOOR).log()).abs().mean()


def _spread_distance(bounded: Float[Tensor, "B F C"]) -> Tensor:
    """How far values before rounding are from uniform and from independent of each other, by their second moments.

    Without it training from nothing leaves digits stuck at their ends and uses a quarter of the codes.
    """
    rows = bounded.flatten(0, 1)
    mean = rows.mean(0)
    centred = rows - mean
    covariance = centred.T @ centred / rows.shape[0]
    uniform = torch.eye(rows.shape[1], device=rows.device) / 3  # the variance of the uniform law on [-1, 1]
    return mean.square().sum() + (covariance - uniform).square().sum()


def _magnitude(samples: Tensor, window: int) -> Tensor:
    magnitude: Tensor = _Magnitude.apply(F.pad(samples, (window // 2, window // 2)), window, max(HOP, window // 4))
    return magnitude


class _Magnitude(torch.autograd.Function):
    """Spectra of Hann windows, `hop` samples apart, with the gradient by one short transform.

    What torch derives transforms over all bins and both signs of frequency, and took a third of a training step.
    """

    @staticmethod
    def forward(context: Any, samples: Tensor, window: int, hop: int) -> Tensor:
        hann = torch.hann_window(window, device=samples.device)
        spectrum = torch.fft.rfft(samples.unfold(-1, window, hop) * hann)
        # The root's slope at zero is infinite; 1e-6 is far under any floor used above.
        magnitude = power_of(spectrum).clamp_min_(1e-12).sqrt_()
        context.save_for_backward(spectrum, magnitude, hann)
        context.size, context.hop = samples.shape[-1], hop
        return magnitude

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        spectrum, magnitude, hann = context.saved_tensors
        window, hop = hann.numel(), context.hop
        scale = gradient / magnitude
        scale[..., 1:-1] /= 2  # each inner bin stands for two in the inverse
        frames = torch.fft.irfft(spectrum * scale, n=window, norm="forward") * hann
        total = frames.new_zeros(frames.shape[0], -(-context.size // hop), hop)
        for part in range(window // hop):
            total[:, part : part + frames.shape[1]] += frames[..., part * hop : (part + 1) * hop]
        return total.flatten(1)[:, : context.size], None, None
