"""Codes to values and pitches as one operator of torch: by torch it is nine calls, each on a handful of numbers."""

from __future__ import annotations

from omniloom.kernels.code_lookup import reference
from omniloom.kernels.registration import define

look_up_codes = define(
    "look_up_codes(Tensor codes, Tensor values, Tensor octaves, int steps_per_octave, int num_pitches) "
    "-> (Tensor, Tensor)",
    reference=reference.look_up_codes,
    fake=lambda codes, values, octaves, steps_per_octave, num_pitches: (
        values.new_empty(codes.shape[0], codes.shape[1], codes.shape[2] * values.shape[1]),
        codes.new_empty(codes.shape[:2]),
    ),
)
"""The values (B, F, Q C) of frames of codes (B, F, Q), and the index (B, F) of each frame's pitch.

`values` are those of every code (codes, C), the same in each codebook. A frame's pitch is the sum of its codes' shares
`octaves` (Q, codes), in float64, rounded to whole steps.

Raises:
    RuntimeError: If a code lies outside the tables.
"""
