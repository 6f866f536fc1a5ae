"""Real human voices saying digits: the Free Spoken Digit Dataset (Jakobovski and others, CC BY-SA 4.0).

Four speakers of different accents say each digit fifty times. The release that is downloaded holds further speakers;
they are left out, so that numbers measured with a download and with a smaller mirror are the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from omniloom.data.public import PublicSource, data_folder
from omniloom.data.speech import augmentation
from omniloom.stream.parts import Audio

SOURCE = PublicSource(
    name="fsdd",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
    # As TensorFlow Datasets publishes them for `spoken_digit` 1.0.9.
    sha256="8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
    num_bytes=11_975_353,
)
SPEAKERS = ("george", "jackson", "nicolas", "yweweler")
NUM_TAKES = 50
NUM_NEW_TAKES = 8
"""Takes 0 to 7 of every speaker and digit are in no training example."""

RATE_HZ = 16_000
TELEPHONE_HZ = 8_000
"""Of the recordings."""
END_DB = -35.0
"""Against the loudest 10 ms, the level at which a recording counts as silent; its own noise lies below."""

Split = Literal["train", "new"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What `augmented` changes; `benchmarks/evaluation/leave_one_speaker_out.py` measures what each is worth."""

    speed: bool = True
    tilt: bool = True
    room: bool = True
    offset: bool = True
    noise: bool = True
    gain: bool = True


@dataclass(frozen=True)
class Recording:
    """One take of one digit by one speaker."""

    path: Path
    digit: int
    speaker: str
    take: int


def recordings(split: Split) -> tuple[Recording, ...]:
    """The takes of a split, in a fixed order; downloads them first where they are not at hand."""
    if split not in ("train", "new"):
        raise ValueError(f"split must be 'train' or 'new', got {split!r}")
    takes = range(NUM_NEW_TAKES) if split == "new" else range(NUM_NEW_TAKES, NUM_TAKES)
    folder = data_folder(SOURCE) / "recordings"
    found = tuple(
        Recording(folder / f"{digit}_{speaker}_{take}.wav", digit, speaker, take)
        for speaker in SPEAKERS
        for digit in range(10)
        for take in takes
    )
    if missing := [item.path for item in found if not item.path.is_file()]:
        raise ValueError(f"{len(missing)} recordings are missing, the first is {missing[0]}; copy the data set again")
    return found


@cache
def load(recording: Recording) -> Audio:
    """The sound of a recording at the rate of its file (8 kHz); kept, 27 MB for all of them."""
    return Audio.open(recording.path)


def speech_end_s(audio: Audio) -> float:
    """When the speaker has said all: the end of the last 10 ms less than 35 dB below the loudest."""
    step = audio.rate_hz // 100
    samples = audio.samples.numpy()
    whole = samples[: samples.size // step * step].reshape(-1, step)
    if not whole.size:
        return audio.duration_s
    levels = np.sqrt(np.mean(whole**2, axis=1))
    return float(np.flatnonzero(levels >= levels.max() * 10 ** (END_DB / 20))[-1] + 1) * step / audio.rate_hz


def augmented(audio: Audio, rng: np.random.Generator, changes: Augmentation = Augmentation()) -> Audio:
    """The recording as another microphone in another room might have heard it, at 16 kHz.

    0.8 to 1.25 times as fast, tilted by up to 9 dB, for half of them noise 15 to 45 dB below and for a third a faint
    room, 0 to 60 ms later, peaking between 0.1 and 0.95. The end of speech is measured before noise hides it.
    """
    share = speech_end_s(audio) / audio.duration_s
    samples = audio.resampled(RATE_HZ).samples.numpy()
    if changes.speed:
        samples = augmentation.with_speed(samples, float(2 ** rng.uniform(-0.322, 0.322)), rate_hz=RATE_HZ)
    if changes.tilt:
        samples = augmentation.with_tilt(samples, rng.uniform(-9, 9), rate_hz=RATE_HZ)
    if changes.room and rng.random() < 1 / 3:
        samples = augmentation.with_room(samples, rng.uniform(-25, -10), rng.uniform(0.05, 0.2), rng, rate_hz=RATE_HZ)
    duration_s, delay_s = samples.size / RATE_HZ, 0.0
    if changes.offset:
        delay_s = rng.uniform(0, 0.06)
        samples = augmentation.with_offset(samples, delay_s, rate_hz=RATE_HZ)
    if changes.noise and rng.random() < 0.5:
        samples = augmentation.with_noise(samples, rng.uniform(15, 45), rng)
    if changes.gain:
        samples = augmentation.with_peak(samples, float(np.exp(rng.uniform(np.log(0.1), np.log(0.95)))))
    words = tuple(word.moved(delay_s, slower=duration_s / audio.duration_s) for word in audio.words)
    return Audio(torch.from_numpy(samples), RATE_HZ, share * duration_s + delay_s, words)
