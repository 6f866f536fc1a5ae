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
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.codecs.audio.spectrum import HIGHEST_PITCH_HZ, HOP, HOPS_PER_FRAME, LOWEST_PITCH_HZ, RATE_HZ

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


class Clock(NamedTuple):
    """Where the source stands: the phase as a fraction of a turn, the last frame's step, and hops since the start."""

    phase: Int[Tensor, " B"]
    step: Int[Tensor, " B"]
    num_hops: int


class Sources(NamedTuple):
    """Windows of pulses and of noise, both of about unit power, and the clock after them."""

    pulses: Float[Tensor, "B hops window"]
    noise: Float[Tensor, "hops window"]
    clock: Clock


def make_sources(pitches: Int[Tensor, "B F"], clock: Clock | None) -> Sources:
    """The source of each hop of frames whose pitches are indices of the pitch table; a pitch glides to the next."""
    steps = _pitch_steps(pitches.device)[pitches]
    if clock is None:
        clock = Clock(torch.zeros_like(steps[:, 0]), steps[:, 0], 0)
    before = torch.cat([clock.step[:, None], steps[:, :-1]], dim=1)
    share = torch.arange(1, HOPS_PER_FRAME + 1, device=pitches.device)
    hop_steps = (before[..., None] + (steps - before)[..., None] * share // HOPS_PER_FRAME).flatten(1)
    ends = clock.phase[:, None] + (hop_steps * HOP).cumsum(1)
    starts = torch.cat([clock.phase[:, None], ends[:, :-1]], dim=1)
    within = torch.arange(WINDOW, device=pitches.device)
    phases = (starts[..., None] + hop_steps[..., None] * within) & (TURN - 1)
    num_harmonics = (TURN // 2 // hop_steps)[..., None]
    noise = _noise(pitches.device)
    places = (clock.num_hops + torch.arange(hop_steps.shape[1], device=pitches.device))[:, None] * HOP + within
    after = Clock(ends[:, -1] % TURN, steps[:, -1], clock.num_hops + hop_steps.shape[1])
    return Sources(_pulses(phases, num_harmonics), noise[places % NUM_NOISE], after)


def shape_and_add(
    sources: Sources,
    pulse_envelope: Float[Tensor, "B hops bins"],
    noise_envelope: Float[Tensor, "B hops bins"],
    overhang: Float[Tensor, "B overhang"] | None,
) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B overhang"]]:
    """Filter both sources by envelopes (natural logarithms of magnitude), overlap and add; also the next overhang."""
    window = torch.hann_window(WINDOW, device=pulse_envelope.device, dtype=pulse_envelope.dtype)
    pieces = _Filtered.apply(
        torch.fft.rfft(sources.pulses * window, n=FILTERED),
        torch.fft.rfft(sources.noise * window, n=FILTERED),
        pulse_envelope,
        pulse_envelope @ _least_phase(pulse_envelope.device),
        noise_envelope,
    )
    batch, hops, _ = pieces.shape
    total = pieces.new_zeros(batch, hops + FILTERED // HOP - 1, HOP)
    for part in range(FILTERED // HOP):
        total[:, part : part + hops] += pieces[..., part * HOP : (part + 1) * HOP]
    samples = total.flatten(1)
    if overhang is not None:
        samples = torch.cat([samples[:, :OVERHANG] + overhang, samples[:, OVERHANG:]], dim=1)
    return samples[:, : hops * HOP], samples[:, hops * HOP :]


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


def _pulses(phases: Int[Tensor, "B hops window"], num_harmonics: Int[Tensor, "B hops one"]) -> Tensor:
    """All harmonics under half the rate at equal strength (the closed form of their sum), scaled to unit power."""
    turns = (phases - (phases >= TURN // 2) * TURN).float() / TURN
    half = math.pi * turns
    below = torch.where(half.abs() < 1e-4, 1e-4, half)
    count = num_harmonics.float()
    total = torch.sin((2 * count + 1) * below) / (2 * torch.sin(below)) - 0.5
    return total * (2 / count).sqrt()


@functools.cache
def _least_phase(device: torch.device) -> Float[Tensor, "bins bins"]:
    """The matrix from a log-magnitude to the phase of the causal filter whose energy comes first.

    It folds the cepstrum (Oppenheim & Schafer 2010, section 13.4), which is linear; as one product it costs a fifth of
    two transforms and a complex exponential.
    """
    cepstrum = torch.fft.irfft(torch.eye(NUM_BINS, dtype=torch.float64), n=FILTERED)
    fold = torch.zeros(FILTERED, dtype=torch.float64)
    fold[0] = fold[FILTERED // 2] = 1
    fold[1 : FILTERED // 2] = 2
    return torch.fft.rfft(cepstrum * fold).imag.float().to(device)


@functools.cache
def _pitch_steps(device: torch.device) -> Int[Tensor, " pitches"]:
    octaves = np.arange(NUM_PITCHES) / PITCH_STEPS_PER_OCTAVE
    steps = np.round(LOWEST_PITCH_HZ * 2.0**octaves / RATE_HZ * TURN).astype(np.int64)
    return torch.from_numpy(steps).to(device)


@functools.cache
def _noise(device: torch.device) -> Tensor:
    """White noise of unit power from a fixed bit generator, the same on every machine."""
    bits = np.random.Generator(np.random.PCG64(20)).integers(0, 2**24, NUM_NOISE)
    uniform = (bits / 2.0**24 - 0.5) * math.sqrt(12)
    return torch.from_numpy(uniform.astype(np.float32)).to(device)
