"""Sound from a pitch and two spectral envelopes: pulses and noise, each filtered, overlapped and added.

Speech is a buzz or a hiss shaped by the mouth (source and filter; Engel et al. 2020, "DDSP", section 3, makes it
trainable). At 500 bits a second no phase can be sent, so it is made: pulses run on their own clock, and the filters'
phase is the least that their magnitude allows. Predicting phase from the codes was the first plan: it must either be
learned against targets that the codes do not hold, or comes out rough.

Time is kept in whole numbers. A pitch is an index of a table, a clock step is a 32-bit fraction of a turn, so the clock
cannot drift between a sound made whole and one made in pieces, however long: floats that differ in their last digit
would move pulses by a sample within minutes.

Windows begin at their own hop and reach past it, so a frame of codes gives its 640 samples at once.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from omniloom.codecs.audio.spectrum import (
    HIGHEST_PITCH_HZ,
    HOP,
    HOPS_PER_FRAME,
    LOWEST_PITCH_HZ,
    RATE_HZ,
    band_curves,
)
from omniloom.kernels import PackedOscillator
from omniloom.kernels.oscillator import reference

WINDOW = 2 * HOP
"""Samples of source in a window: half overlaps the next, and Hann windows then sum to one."""

FILTERED = 3 * HOP
"""Samples of a window once filtered: 10 ms more, in which a formant 80 Hz wide has died away to a twelfth."""

NUM_BINS = FILTERED // 2 + 1
OVERHANG = FILTERED - HOP
"""Samples that the last window of a piece adds to the piece after it."""

PITCH_STEPS_PER_OCTAVE = 240
NUM_PITCHES = math.ceil(PITCH_STEPS_PER_OCTAVE * math.log2(HIGHEST_PITCH_HZ / LOWEST_PITCH_HZ)) + 1
TURN = 2**32
NUM_NOISE = 2**16
"""Samples after which the noise comes again: 4 s, too long to be heard as a rhythm."""
NUM_NOISES = NUM_NOISE // math.gcd(NUM_NOISE, HOP)
"""Hops after which it does: their spectra are made once, 4 MB."""


class Clock(NamedTuple):
    """Where the source stands: the phase as a fraction of a turn, the last frame's step, and hops since the start."""

    phase: Int[Tensor, " B"]
    step: Int[Tensor, " B"]
    num_hops: int


class Sound(NamedTuple):
    """What an oscillator gives for a piece, and where it stands after it."""

    samples: Float[Tensor, "B N"]
    clock: Clock
    overhang: Float[Tensor, "B overhang"]


class Oscillator(nn.Module):
    """Sound from pitches, and from the spectral envelopes of pulses and of noise in bands; it has no weights."""

    def __init__(self, num_bands: int) -> None:
        super().__init__()
        self.num_bands = num_bands
        curves = band_curves(num_bands, NUM_BINS)
        filters = torch.cat([curves, curves @ _least_phase()], dim=1)
        self.register_buffer("_pulse_filters", filters.float(), persistent=False)
        self.register_buffer("_noise_filters", curves.float(), persistent=False)
        self._pulse_filters: Tensor
        self._noise_filters: Tensor

    def forward(
        self,
        bands: Float[Tensor, "B hops two_bands"],
        pitches: Int[Tensor, "B F"],
        clock: Clock | None = None,
        overhang: Float[Tensor, "B overhang"] | None = None,
    ) -> Sound:
        """A hop's samples for each row of bands: natural logarithms of magnitude, the pulses' and then the noise's.

        Pitches are indices of the pitch table; a frame's glides to it from the one before.
        """
        steps = _pitch_steps(pitches.device)[pitches]
        if clock is None:
            clock = Clock(torch.zeros_like(steps[:, 0]), steps[:, 0], 0)
        window = _window(bands.device)
        windows, phase = reference.pulse_windows(steps, clock.phase, clock.step, window, HOP, HOPS_PER_FRAME)
        after = Clock(phase, steps[:, -1], clock.num_hops + bands.shape[1])
        spectra, noises = torch.fft.rfft(windows, n=FILTERED), _noise_spectra(bands.device)
        filtered = self._filtered(spectra, noises, clock.num_hops % NUM_NOISES, *bands.chunk(2, dim=-1))
        samples, overhang = reference.overlap_add(filtered, overhang, HOP)
        return Sound(samples, after, overhang)

    def for_inference(self) -> nn.Module:
        return _NativeOscillator(self)

    def _filtered(self, pulses: Tensor, noises: Tensor, first: int, pulse_bands: Tensor, noise_bands: Tensor) -> Tensor:
        """Windows of both sources, each through its filter."""
        hops = torch.arange(first, first + pulses.shape[1], device=pulses.device) % NUM_NOISES
        envelope, phase = (pulse_bands @ self._pulse_filters).chunk(2, dim=-1)
        windows: Tensor = _Filtered.apply(pulses, noises[hops], envelope, phase, noise_bands @ self._noise_filters)
        return windows


class _NativeOscillator(nn.Module):
    """The same as one native operator, for inference."""

    def __init__(self, oscillator: Oscillator) -> None:
        super().__init__()
        device = oscillator._pulse_filters.device
        self.packed = PackedOscillator(
            _pitch_steps(device),
            _window(device),
            torch.view_as_real(_noise_spectra(device)),
            oscillator._pulse_filters,
            oscillator._noise_filters,
            hop=HOP,
            hops_per_frame=HOPS_PER_FRAME,
        )

    def forward(
        self,
        bands: Float[Tensor, "B hops two_bands"],
        pitches: Int[Tensor, "B F"],
        clock: Clock | None = None,
        overhang: Float[Tensor, "B overhang"] | None = None,
    ) -> Sound:
        phase, step, num_hops = clock or (None, None, 0)
        samples, phase, step, overhang = self.packed(bands, pitches, phase, step, overhang, num_hops=num_hops)
        return Sound(samples, Clock(phase, step, num_hops + bands.shape[1]), overhang)


class _Filtered(torch.autograd.Function):
    """Both sources' spectra through their filters, back to samples; the gradient of a complex exponential by hand."""

    @staticmethod
    def forward(
        context: Any, pulses: Tensor, noise: Tensor, envelope: Tensor, phase: Tensor, noise_envelope: Tensor
    ) -> Tensor:
        magnitude = envelope.exp()
        pulses = pulses * torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
        noise = noise * noise_envelope.exp()
        context.save_for_backward(pulses, noise)
        return torch.fft.irfft(pulses + noise, n=FILTERED)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[None, None, Tensor, Tensor, Tensor]:
        pulses, noise = context.saved_tensors
        spectrum = torch.fft.rfft(gradient, norm="forward")
        spectrum[..., 1:-1] *= 2  # each inner bin stands for two
        turned = spectrum * pulses.conj()
        return None, None, turned.real, turned.imag, (spectrum * noise.conj()).real


def pitch_index(octaves: Float[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
    """The table's index of a pitch given in octaves above the lowest."""
    return (octaves * PITCH_STEPS_PER_OCTAVE).round().long().clamp(0, NUM_PITCHES - 1)


@functools.cache
def _window(device: torch.device) -> Float[Tensor, " window"]:
    return torch.hann_window(WINDOW, device=device)


@functools.cache
def _least_phase() -> Float[Tensor, "bins bins"]:
    """The matrix from a log-magnitude to the phase of the causal filter whose energy comes first.

    It folds the cepstrum (Oppenheim & Schafer 2010, section 13.4), which is linear; as one product it costs a fifth of
    two transforms and a complex exponential.
    """
    cepstrum = torch.fft.irfft(torch.eye(NUM_BINS, dtype=torch.float64), n=FILTERED)
    fold = torch.zeros(FILTERED, dtype=torch.float64)
    fold[0] = fold[FILTERED // 2] = 1
    fold[1 : FILTERED // 2] = 2
    return torch.fft.rfft(cepstrum * fold).imag


@functools.cache
def _pitch_steps(device: torch.device) -> Int[Tensor, " pitches"]:
    octaves = np.arange(NUM_PITCHES) / PITCH_STEPS_PER_OCTAVE
    steps = np.round(LOWEST_PITCH_HZ * 2.0**octaves / RATE_HZ * TURN).astype(np.int64)
    return torch.from_numpy(steps).to(device)


@functools.cache
def _noise_spectra(device: torch.device) -> Complex[Tensor, "noises bins"]:
    """Of windows of white noise of unit power from a fixed bit generator, the same on every machine."""
    bits = np.random.Generator(np.random.PCG64(20)).integers(0, 2**24, NUM_NOISE)
    uniform = (bits / 2.0**24 - 0.5) * math.sqrt(12)
    noise = torch.from_numpy(uniform.astype(np.float32)).to(device)
    hops = torch.arange(NUM_NOISES, device=device)[:, None] * HOP + torch.arange(WINDOW, device=device)
    return torch.fft.rfft(noise[hops % NUM_NOISE] * _window(device), n=FILTERED)
