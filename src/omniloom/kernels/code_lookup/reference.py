"""The look-up in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def look_up_codes(
    codes: Tensor, values: Tensor, octaves: Tensor, steps_per_octave: int, num_pitches: int
) -> tuple[Tensor, Tensor]:
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < len(values):
        raise RuntimeError(f"codes must lie in 0..{len(values) - 1}, got {int(codes.min())}..{int(codes.max())}")
    starts = torch.arange(len(octaves), device=codes.device) * len(values)
    sums = octaves.take(codes + starts).sum(-1)
    pitches = (sums * steps_per_octave).round().long().clamp(0, num_pitches - 1)
    return F.embedding(codes, values).flatten(-2), pitches
