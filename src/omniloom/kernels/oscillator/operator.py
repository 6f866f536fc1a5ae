"""The oscillator's steps as operators of torch: for inference, without gradients."""

from __future__ import annotations

from omniloom.kernels.oscillator import reference
from omniloom.kernels.registration import define

pulse_windows = define(
    "pulse_windows(Tensor steps, Tensor phase, Tensor step, Tensor window, int hop, int hops_per_frame) "
    "-> (Tensor, Tensor)",
    reference=reference.pulse_windows,
    fake=lambda steps, phase, step, window, hop, hops_per_frame: (
        window.new_empty(steps.shape[0], steps.shape[1] * hops_per_frame, window.shape[0]),
        phase.new_empty(phase.shape),
    ),
)
"""Windows (B, hops, samples) of pulses of unit power from each frame's step (B, F), and the phase (B) after them.

A phase is a fraction of a turn and a step what it grows by in a sample, both in units of 2^-32; `phase` and `step` are
where the frame before ended. Over the hops of a frame its step is reached from that of the frame before. Pulses are all
harmonics under half the rate at equal strength.
"""

filter_sources = define(
    "filter_sources(Tensor pulses, Tensor noises, int first_noise, Tensor pulse_filter, Tensor noise_filter) -> Tensor",
    reference=reference.filter_sources,
    fake=lambda pulses, noises, first_noise, pulse_filter, noise_filter: pulses.new_empty(pulses.shape),
)
"""The spectra (B, hops, bins) of pulses, filtered, plus those of noise, filtered.

`noises` are rows of spectra that hops take one after the other, from `first_noise` on and around. The pulses' filter is
the natural logarithms of magnitude, then phases (B, hops, 2 bins); the noise's has magnitudes alone.
"""

overlap_add = define(
    "overlap_add(Tensor windows, Tensor? overhang, int hop) -> (Tensor, Tensor)",
    reference=reference.overlap_add,
    fake=lambda windows, overhang, hop: (
        windows.new_empty(windows.shape[0], windows.shape[1] * hop),
        windows.new_empty(windows.shape[0], windows.shape[2] - hop),
    ),
)
"""Samples of windows (B, hops, samples) that begin `hop` apart and add up, and what they reach beyond the last hop."""
