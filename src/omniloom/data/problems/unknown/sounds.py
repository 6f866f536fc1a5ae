"""Sounds in which nobody speaks: silence, noise, hum, and tones as of music.

A kind is what sounds, a manner how loud and how long. *New* are kinds that training never plays, *composed* kinds in
manners that they never have there.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import is_composed_asking
from omniloom.data.problems.templates import pick
from omniloom.data.speech.synthesis import RATE_HZ
from omniloom.stream.parts import Audio

LEVELS_DB = {"faint": (-58.0, -48.0), "soft": (-48.0, -36.0), "loud": (-36.0, -22.0)}
LENGTHS_S = {"brief": (0.3, 0.6), "short": (0.6, 1.0), "long": (1.0, 1.7)}
SILENCE_DB = (-90.0, -68.0)
NEW_KINDS = ("sweep", "knocks")
"""Kinds that training never plays."""

Sound = Float[np.ndarray, " N"]


def odd_sound(random: np.random.Generator, split: Split) -> tuple[Audio, list[str]]:
    """A sound without speech, and its facts."""
    while True:
        kind, level, length = (
            pick(random, sorted(KINDS)),
            pick(random, sorted(LEVELS_DB)),
            pick(random, sorted(LENGTHS_S)),
        )
        is_new, is_composed = kind in NEW_KINDS, is_composed_asking("sound", kind, level, length)
        if split == "new" and not is_new and random.random() < 0.7:
            continue
        if split != "new" and (is_new or is_composed != (split == "composed")):
            continue
        break
    samples = KINDS[kind](random, int(random.uniform(*LENGTHS_S[length]) * RATE_HZ))
    level_db = random.uniform(*(SILENCE_DB if kind == "silence" else LEVELS_DB[level]))
    samples = samples * 10 ** (level_db / 20) / max(float(np.sqrt(np.mean(samples**2))), 1e-9)
    sound = Audio(torch.from_numpy(samples.clip(-1, 1).astype(np.float32)), RATE_HZ)
    name = "asking" if split == "composed" else "topic" if is_new else "sound"
    digest = sha256(sound.samples.numpy().tobytes()).hexdigest()[:16]
    return sound, [f"{name}:sound/{kind}/{level}/{length}", f"rendering:{digest}"]


def _white(random: np.random.Generator, num_samples: int) -> Sound:
    return random.standard_normal(num_samples)


def _coloured(random: np.random.Generator, num_samples: int) -> Sound:
    """Noise with more low than high in it, as of wind or a motor, or only some of the middle."""
    spectrum = np.fft.rfft(random.standard_normal(num_samples))
    hertz = np.fft.rfftfreq(num_samples, 1 / RATE_HZ)
    if random.random() < 0.7:
        spectrum *= (1 + hertz / 50) ** -random.uniform(0.5, 1.5)
    else:
        spectrum *= np.exp(-(((hertz - random.uniform(300, 5000)) / random.uniform(200, 1500)) ** 2))
    return np.fft.irfft(spectrum, num_samples)


def _hum(random: np.random.Generator, num_samples: int) -> Sound:
    """A mains hum and its overtones."""
    base = pick(random, (50.0, 60.0, 100.0, 120.0)) * random.uniform(0.99, 1.01)
    return sum(
        (random.uniform(0, 1) * np.sin(_phase(base * times, num_samples)) for times in range(1, 7)),
        start=0.01 * random.standard_normal(num_samples),
    )


def _melody(random: np.random.Generator, num_samples: int) -> Sound:
    """Notes one after another, each struck and dying away."""
    length = int(random.uniform(0.12, 0.35) * RATE_HZ)
    notes = [_note(random, min(length, num_samples - start)) for start in range(0, num_samples, length)]
    return np.concatenate(notes)


def _chord(random: np.random.Generator, num_samples: int) -> Sound:
    return np.sum([_note(random, num_samples) for _ in range(3)], axis=0)


def _sweep(random: np.random.Generator, num_samples: int) -> Sound:
    """A tone that slides from one pitch to another."""
    first, last = random.uniform(150, 3000, 2)
    hertz = np.geomspace(first, last, num_samples)
    return np.sin(2 * np.pi * np.cumsum(hertz) / RATE_HZ)


def _knocks(random: np.random.Generator, num_samples: int) -> Sound:
    """Short dull blows."""
    sound = 0.001 * random.standard_normal(num_samples)
    for start in random.integers(0, num_samples - 1, int(random.integers(2, 8))):
        length = min(int(0.05 * RATE_HZ), num_samples - int(start))
        blow = random.standard_normal(length) * np.exp(-np.arange(length) / (0.008 * RATE_HZ))
        sound[start : start + length] += blow
    return sound


def _crackle(random: np.random.Generator, num_samples: int) -> Sound:
    """Single clicks, as of an old record."""
    clicks = random.standard_normal(num_samples) * (random.random(num_samples) < random.uniform(0.001, 0.01))
    return clicks + 0.005 * random.standard_normal(num_samples)


KINDS: dict[str, Callable[[np.random.Generator, int], Sound]] = {
    "silence": _white,
    "white noise": _white,
    "coloured noise": _coloured,
    "hum": _hum,
    "melody": _melody,
    "chord": _chord,
    "crackle": _crackle,
    "sweep": _sweep,
    "knocks": _knocks,
}


def _note(random: np.random.Generator, num_samples: int) -> Sound:
    """One tone of an equal-tempered scale with a few overtones."""
    hertz = 220 * 2 ** (int(random.integers(0, 25)) / 12)
    seconds = np.arange(num_samples) / RATE_HZ
    tones = [np.sin(_phase(hertz * times, num_samples)) / times**1.5 for times in range(1, 5)]
    return np.asarray(np.sum(tones, axis=0) * np.exp(-seconds * random.uniform(1, 8)) * np.minimum(1, seconds / 0.005))


def _phase(hertz: float, num_samples: int) -> Sound:
    return 2 * np.pi * hertz * np.arange(num_samples) / RATE_HZ
