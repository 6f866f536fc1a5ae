"""The four sounds of films, made from formulas: a beep, a bell, a drum and a whistle, none twice the same.

They differ in what a codec for speech keeps, loudness over time, pitch and noise: a beep is one even tone, a bell rings
out, a drum is a short noise over a falling thump, a whistle glides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32, Float64

RATE_HZ = 16_000

BELL_PARTIALS = ((1.0, 1.0), (2.0, 0.6), (2.76, 0.45), (5.4, 0.25))
"""Frequencies, of the lowest, and loudness: those of a struck bar, with the octave that bells have."""

GAP_S = 0.08
LEVEL_DB = (-18.0, -4.0)
NOISE_SHARE = 0.5
NOISE_DB = (-65.0, -45.0)
RAMP_S = 0.008
"""Within which a sound rises and falls, so that it does not click."""

Sound = Float64[np.ndarray, " N"]


def beep(random: np.random.Generator) -> Sound:
    """An even tone of a fifth to three tenths of a second."""
    time_s = _time_s(random.uniform(0.2, 0.3))
    phase = 2 * np.pi * random.uniform(600, 1200) * time_s
    return np.asarray(np.sin(phase) + random.uniform(0, 0.3) * np.sin(3 * phase))


def bell(random: np.random.Generator) -> Sound:
    """Partials that ring out, the high ones first."""
    time_s = _time_s(random.uniform(0.45, 0.6))
    lowest_hz, decay_s = random.uniform(450, 900), random.uniform(0.12, 0.2)
    rung = [
        loudness * np.exp(-time_s * ratio**0.5 / decay_s) * np.sin(2 * np.pi * lowest_hz * ratio * time_s)
        for ratio, loudness in BELL_PARTIALS
    ]
    return np.asarray(np.sum(rung, axis=0))


def drum(random: np.random.Generator) -> Sound:
    """A burst of noise over a thump that falls in pitch."""
    time_s = _time_s(random.uniform(0.22, 0.32))
    high_hz, low_hz = random.uniform(140, 220), random.uniform(55, 90)
    phase = 2 * np.pi * np.cumsum(low_hz + (high_hz - low_hz) * np.exp(-time_s / 0.04)) / RATE_HZ
    thump = np.exp(-time_s / random.uniform(0.06, 0.1)) * np.sin(phase)
    burst = np.exp(-time_s / random.uniform(0.015, 0.03)) * random.standard_normal(time_s.size)
    return np.asarray(thump + 0.5 * burst)


def whistle(random: np.random.Generator) -> Sound:
    """A tone that glides up, down, or up and down again by more than half an octave."""
    time_s = _time_s(random.uniform(0.35, 0.5))
    share = time_s / time_s[-1]
    shape = (share, 1 - share, np.sin(np.pi * share))[int(random.integers(3))]
    octaves = random.uniform(0.6, 1.2) * shape
    phase = 2 * np.pi * np.cumsum(random.uniform(1000, 1600) * 2**octaves) / RATE_HZ
    return np.asarray(np.sin(phase) + 0.03 * random.standard_normal(time_s.size))


_MADE: dict[str, Callable[[np.random.Generator], Sound]] = {
    "beep": beep,
    "bell": bell,
    "drum": drum,
    "whistle": whistle,
}

SOUNDS = tuple(_MADE)
"""Their names, in which a reply tells what it heard."""


def sound_track(names: Sequence[str], num_samples: int, random: np.random.Generator) -> Float32[np.ndarray, " N"]:
    """One or more sounds in order, at times of their own within so many samples, each as loud as chance has it.

    Raises:
        ValueError: If a name is not known, or the sounds do not fit.
    """
    made = [_levelled(_known(name)(random), random) for name in names]
    gap = int(GAP_S * RATE_HZ)
    free = num_samples - sum(sound.size for sound in made) - gap * (len(made) - 1)
    if free < 0:
        raise ValueError(f"{', '.join(names)} take longer than {num_samples / RATE_HZ:.1f} s; give fewer sounds")
    track = np.zeros(num_samples)
    pauses = np.sort(random.integers(0, free + 1, len(made)))
    start = 0
    for sound, pause in zip(made, pauses, strict=True):
        track[start + pause : start + pause + sound.size] += sound
        start += sound.size + gap
    if random.random() < NOISE_SHARE:
        track += 10 ** (random.uniform(*NOISE_DB) / 20) * random.standard_normal(num_samples)
    return track.clip(-1, 1).astype(np.float32)


def _known(name: str) -> Callable[[np.random.Generator], Sound]:
    if name not in _MADE:
        raise ValueError(f"sounds must be of {', '.join(SOUNDS)}, got {name!r}")
    return _MADE[name]


def _levelled(sound: Sound, random: np.random.Generator) -> Sound:
    """At a level of its peak drawn by chance, with soft ends."""
    ramp = np.minimum(1, np.minimum(np.arange(sound.size), np.arange(sound.size)[::-1]) / (RAMP_S * RATE_HZ))
    return np.asarray(ramp * sound / np.abs(sound).max() * 10 ** (random.uniform(*LEVEL_DB) / 20))


def _time_s(duration_s: float) -> Sound:
    return np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
