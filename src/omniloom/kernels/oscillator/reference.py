"""The oscillator's operators in torch: what the native ones must equal, and what serves where there are none."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

TURN = 2**32


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
