"""Ordinary changes of a recording: faster, louder, duller, noisier, in a room, a little later.

They stand for what microphones and rooms do. Each function takes and gives samples, and draws from the generator that
it is given, so that an example can be made again.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def with_speed(samples: Samples, speed: float, *, rate_hz: int) -> Samples:
    """`speed` times as fast, and higher by as much."""
    return np.asarray(soxr.resample(samples, rate_hz * speed, rate_hz, quality="MQ"), dtype=np.float32)


def with_tilt(samples: Samples, tilt_db: float, *, rate_hz: int) -> Samples:
    """Brighter (or duller, below 0) by `tilt_db` from 100 Hz to the highest frequency, even in octaves."""
    # A length of small factors: that of a recording may be a prime, whose transform takes many times as long.
    length = -(-samples.size // 1024) * 1024
    octaves = np.log2(np.fft.rfftfreq(length, 1 / rate_hz).clip(100) / 100)
    gain_db = tilt_db * (octaves / np.log2(rate_hz / 200) - 0.5)
    tilted = np.fft.irfft(np.fft.rfft(samples, length) * 10 ** (gain_db / 20), length)
    return tilted[: samples.size].astype(np.float32)


def with_noise(samples: Samples, signal_to_noise_db: float, rng: np.random.Generator) -> Samples:
    """White noise added, so much below the whole recording's level."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-signal_to_noise_db / 20)
    return samples + rng.standard_normal(samples.size, dtype=np.float32) * np.float32(level)


def with_room(
    samples: Samples, loudness_db: float, decay_s: float, rng: np.random.Generator, *, rate_hz: int
) -> Samples:
    """The echo of a small room: noise that dies away by 60 dB in `decay_s`, `loudness_db` against the direct sound."""
    size = round(decay_s * rate_hz)
    echo = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    echo *= 10 ** (loudness_db / 20) / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    length = 1 << int(np.ceil(np.log2(samples.size + size)))
    heard = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(echo, length), length)
    return heard[: samples.size].astype(np.float32)


def with_offset(samples: Samples, offset_s: float, *, rate_hz: int) -> Samples:
    """Silence before it."""
    return np.concatenate([np.zeros(round(offset_s * rate_hz), np.float32), samples])


def with_peak(samples: Samples, peak: float) -> Samples:
    """As loud as makes the largest sample `peak`; silence stays silent."""
    return samples * np.float32(peak / max(float(np.abs(samples).max()), 1e-6))


def as_another_speaker(samples: Samples, rng: np.random.Generator, *, rate_hz: int) -> Samples:
    """A longer or shorter throat: up to 15 % faster or slower, pitch and formants with it, and a tilt of up to 6 dB."""
    samples = with_speed(samples, float(2 ** rng.uniform(-0.2, 0.2)), rate_hz=rate_hz)
    return with_tilt(samples, rng.uniform(-6, 6), rate_hz=rate_hz)
