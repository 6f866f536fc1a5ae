"""The oscillator as one operator of torch: for inference, without gradients.

Windows of pulses, their spectra, filters, and overlap were operators of their own, with torch's transform between them:
for a chunk of a frame or two the calls took five times as long as the work.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from omniloom.kernels.convolution.weights import pack
from omniloom.kernels.oscillator import reference
from omniloom.kernels.registration import define

_oscillate = define(
    "oscillate(Tensor bands, Tensor pitches, Tensor? phase, Tensor? step, Tensor? overhang, int first_noise, "
    "Tensor pitch_steps, Tensor window, Tensor noises, Tensor pulse_filter, Tensor noise_filter, int hop, "
    "int hops_per_frame) -> (Tensor, Tensor, Tensor, Tensor)",
    reference=reference.oscillate,
    fake=reference.oscillate_fake,
)


class Oscillated(NamedTuple):
    """The samples of a piece, and what the next one needs."""

    samples: Float[Tensor, "B N"]
    phase: Int[Tensor, " B"]
    step: Int[Tensor, " B"]
    overhang: Float[Tensor, "B overhang"]


class PackedOscillator(nn.Module):
    """Pulses at each frame's pitch and noise, each through a filter given in bands, overlapped and added.

    A phase is a fraction of a turn and a step what it grows by in a sample, both in units of 2^-32. Over the hops of a
    frame its step is reached from that of the frame before. Pulses are all harmonics under half the rate at equal
    strength.

    Args:
        pitch_steps: The step of each pitch.
        window: Of each hop's pulses, at most 480 samples, which the filters make 480.
        noises: Spectra of windows of noise, real and imaginary parts in pairs; hops take them in turn, around.
        pulse_filter: From bands to logarithms of magnitude and then phases, in every bin.
        noise_filter: From bands to logarithms of magnitude.
        hop: Samples from one window to the next.
    """

    def __init__(
        self,
        pitch_steps: Int[Tensor, " pitches"],
        window: Float[Tensor, " window"],
        noises: Float[Tensor, "noises 241 2"],
        pulse_filter: Float[Tensor, "bands 482"],
        noise_filter: Float[Tensor, "bands 241"],
        *,
        hop: int,
        hops_per_frame: int,
    ) -> None:
        super().__init__()
        self.num_noises = len(noises)
        self.hop, self.hops_per_frame = hop, hops_per_frame
        weights = (pitch_steps, window, noises, _panels(pulse_filter), _panels(noise_filter))
        for name, weight in zip(_NAMES, weights, strict=True):
            self.register_buffer(name, weight.detach(), persistent=False)

    def forward(
        self,
        bands: Float[Tensor, "B hops two_bands"],
        pitches: Int[Tensor, "B F"],
        phase: Int[Tensor, " B"] | None,
        step: Int[Tensor, " B"] | None,
        overhang: Float[Tensor, "B overhang"] | None,
        *,
        num_hops: int,
    ) -> Oscillated:
        """The next piece; at the start of a sound there are no phase, step and overhang, and `num_hops` before it is 0.

        Raises:
            ValueError: If a gradient is asked for.
            RuntimeError: If shapes do not fit, or there is no such pitch.
        """
        if torch.is_grad_enabled() and bands.requires_grad:
            raise ValueError("bands need a gradient, which this oscillator does not give; use torch.no_grad()")
        buffers = self._buffers
        weights = [buffers[name] for name in _NAMES]
        first_noise = num_hops % self.num_noises
        found = _oscillate(bands, pitches, phase, step, overhang, first_noise, *weights, self.hop, self.hops_per_frame)
        return Oscillated(*found)


_NAMES = ("pitch_steps", "window", "noises", "pulse_filter", "noise_filter")


def _panels(filters: Tensor) -> Tensor:
    return pack(filters.T[..., None], 1)
