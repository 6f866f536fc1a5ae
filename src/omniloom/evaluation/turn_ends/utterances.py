"""What is listened to: a sentence with pauses where it is incomplete, and silence after its true end.

The pauses, 0.3 to 1.0 s, are what make the task one of meaning: a detector of silence must either wait longer than the
longest of them or cut in. After the end the room goes on as it was, at the level of the quiet that the sound has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from omniloom.core.randomness import generator
from omniloom.data.problems import Split
from omniloom.stream.parts import Audio

TAIL_S = 1.2
"""Silence after the end: longer than what counts as missed."""

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")

Maker = Callable[[Split, int, Language], Audio]
"""A paused sentence by split, index and language, with `speech_end_s`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Utterance:
    """A sound with a known end of speech, and the language it is in."""

    audio: Audio
    end_s: float
    language: Language


def utterances(make: Maker, split: Split, *, limit: int, seed: int = 0) -> Iterator[Utterance]:
    """So many of a split, the languages in turn.

    Raises:
        ValueError: If a sound does not tell when its speaker has said all.
    """
    for index in range(limit):
        language = LANGUAGES[index % len(LANGUAGES)]
        sound = make(split, seed * 1_000_000 + index, language)
        if sound.speech_end_s is None:
            raise ValueError(f"utterance {index} of {split} does not tell when its speaker has said all")
        yield Utterance(audio=with_tail(sound, sound.speech_end_s), end_s=sound.speech_end_s, language=language)


def with_tail(sound: Audio, end_s: float) -> Audio:
    """The sound with at least `TAIL_S` of its own quiet after the end."""
    missing = round((end_s + TAIL_S - sound.duration_s) * sound.rate_hz)
    if missing <= 0:
        return sound
    random = generator("tail", sound.samples.numel())
    room = _quiet_level(sound.samples.numpy(), sound.rate_hz) * random.standard_normal(missing)
    tail = torch.from_numpy(room.astype(np.float32).clip(-1, 1))
    return Audio(torch.cat([sound.samples, tail]), sound.rate_hz, end_s)


def _quiet_level(samples: np.ndarray, rate_hz: int) -> float:
    """Root mean square of the quietest 20 ms."""
    step = rate_hz // 50
    whole = samples[: samples.size // step * step]
    if not whole.size:
        return 0.0
    return float(np.sqrt(np.square(whole.reshape(-1, step)).mean(axis=1)).min())
