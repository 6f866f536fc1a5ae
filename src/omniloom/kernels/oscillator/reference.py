"""The oscillator's operators in torch: what the native ones must equal, and what serves where there are none."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.convolution.weights import unpack

TURN = 2**32
SAMPLES = 480
"""Of a window once filtered."""


def oscillate(
    bands: Tensor,
    pitches: Tensor,
    phase: Tensor | None,
    step: Tensor | None,
    overhang: Tensor | None,
    first_noise: int,
    pitch_steps: Tensor,
    window: Tensor,
    noises: Tensor,
    pulse_filter: Tensor,
    noise_filter: Tensor,
    hop: int,
    hops_per_frame: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    steps, bins = pitch_steps[pitches], noises.shape[1]
    phase = steps.new_zeros(len(steps)) if phase is None else phase
    windows, phase = pulse_windows(steps, phase, steps[:, 0] if step is None else step, window, hop, hops_per_frame)
    of_pulses, of_noise = bands.chunk(2, dim=-1)
    spectra = filter_sources(
        torch.fft.rfft(windows, n=SAMPLES),
        torch.view_as_complex(noises),
        first_noise,
        of_pulses @ _unpacked(pulse_filter, 2 * bins),
        of_noise @ _unpacked(noise_filter, bins),
    )
    samples, overhang = overlap_add(torch.fft.irfft(spectra, n=SAMPLES), overhang, hop)
    return samples, phase, steps[:, -1].clone(), overhang


def _unpacked(panels: Tensor, num_columns: int) -> Tensor:
    return unpack(panels, groups=1, channels=num_columns, kernel=[1])[..., 0].T


def oscillate_fake(
    bands: Tensor, pitches: Tensor, *given: Tensor | int | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    num_streams, hop = bands.shape[0], given[-2]
    assert isinstance(hop, int)
    return (
        bands.new_empty(num_streams, bands.shape[1] * hop),
        pitches.new_empty(num_streams),
        pitches.new_empty(num_streams),
        bands.new_empty(num_streams, SAMPLES - hop),
    )


def pulse_windows(
    steps: Tensor, phase: Tensor, step: Tensor, window: Tensor, hop: int, hops_per_frame: int
) -> tuple[Tensor, Tensor]:
    before = torch.cat([step[:, None], steps[:, :-1]], dim=1)
    share = torch.arange(1, hops_per_frame + 1, device=steps.device)
    hop_steps = (before[..., None] + (steps - before)[..., None] * share // hops_per_frame).flatten(1)
    ends = phase[:, None] + (hop_steps * hop).cumsum(1)
    starts = torch.cat([phase[:, None], ends[:, :-1]], dim=1)
    phases = starts[..., None] + hop_steps[..., None] * torch.arange(len(window), device=steps.device)
    # Numbers of 32 bits wrap where a turn ends: they are phases from minus half a turn to half a turn.
    half = (phases.to(torch.int32).float() * (math.pi / TURN)).abs().clamp_min(1e-4)
    count = (TURN // 2 // hop_steps)[..., None].float()
    total = torch.sin((2 * count + 1) * half) / (2 * torch.sin(half)) - 0.5
    return total * (2 / count).sqrt() * window, ends[:, -1] % TURN


def filter_sources(
    pulses: Tensor, noises: Tensor, first_noise: int, pulse_filter: Tensor, noise_filter: Tensor
) -> Tensor:
    envelope, phase = pulse_filter.chunk(2, dim=-1)
    hops = torch.arange(first_noise, first_noise + pulses.shape[1], device=pulses.device) % len(noises)
    return pulses * torch.polar(envelope.exp(), phase) + noises[hops] * noise_filter.exp()


def overlap_add(windows: Tensor, overhang: Tensor | None, hop: int) -> tuple[Tensor, Tensor]:
    first, *later = windows.split(hop, dim=-1)
    total = F.pad(first, (0, 0, 0, len(later)))
    for part, piece in enumerate(later, start=1):
        total[:, part : part + first.shape[1]] += piece
    if overhang is not None:
        total[:, : len(later)] += overhang.unflatten(1, (-1, hop))
    return total[:, : first.shape[1]].flatten(1), total[:, first.shape[1] :].flatten(1).clone()
