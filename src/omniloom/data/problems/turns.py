"""Both sides of a conversation as parts: what a user types or says, and the three forms of a reply.

A user's sound is worn a little in training and in testing alike: other loudness, faint noise, a moment of silence.
Clean synthetic sound alone is recognised by its silence, and a microphone has none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from omniloom.data.problems.base import Split
from omniloom.data.problems.templates import as_typed, pick
from omniloom.data.scenes import Scene, describe, render
from omniloom.data.speech.augmentation import as_another_speaker
from omniloom.data.speech.synthesis import NEW_VOICES, RATE_HZ, TRAIN_VOICES, speak_reply, synthesize
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Part, Text

VOICES = {"train": TRAIN_VOICES, "new": NEW_VOICES, "composed": TRAIN_VOICES}

RATES_WPM = (165, 225)
"""Brisk speech: each second of it costs 50 tokens."""

MAX_SILENCE_S = 0.06
NOISE_SHARE = 0.5
NOISE_DB = (-65.0, -40.0)
GAIN_DB = (-12.0, 3.0)
AUDIBLE = 0.01
"""Of the peak; quieter than this is cut from both ends of synthetic speech."""


def asked(
    words: str, random: np.random.Generator, split: Split, *, is_spoken: bool, is_question: bool
) -> tuple[Part, list[str]]:
    """What the user says, written or aloud, and the facts of the voice."""
    if is_spoken:
        return aloud(words, random, split)
    return Text(as_typed(words, random, is_question=is_question)), []


def aloud(words: str, random: np.random.Generator, split: Split) -> tuple[Audio, list[str]]:
    """Words said by a voice of the split in some mood, trimmed and worn; in training, by a speaker like that voice."""
    voice = pick(random, VOICES[split])
    mood = replace(voice.varied(random), rate_wpm=int(random.integers(*RATES_WPM)))
    sound = synthesize(words, mood).audio.samples.numpy()
    if split == "train":
        sound = as_another_speaker(sound, random, rate_hz=RATE_HZ)
    return Audio(torch.from_numpy(worn(trimmed(sound), random)), RATE_HZ), [f"voice:{voice.name}"]


def trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound from its first to its last audible sample."""
    heard = np.flatnonzero(np.abs(sound) > AUDIBLE * np.abs(sound).max())
    return sound[heard[0] : heard[-1] + 1] if heard.size else sound


def worn(sound: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """The sound at another loudness, with a moment of silence around it and often a little noise; float32."""
    before, after = (int(random.uniform(0, MAX_SILENCE_S) * RATE_HZ) for _ in range(2))
    louder = np.pad(sound * 10 ** (random.uniform(*GAIN_DB) / 20), (before, after))
    if random.random() < NOISE_SHARE:
        level = 10 ** (random.uniform(*NOISE_DB) / 20)
        louder = louder + level * random.standard_normal(louder.size)
    return louder.clip(-1, 1).astype(np.float32)


def written_reply(answer: str) -> Message:
    return Message("assistant", (Text(answer),))


def spoken_reply(answer: str) -> Message:
    """Each word's text just ahead of its sound."""
    return Message("assistant", tuple(speak_reply(answer)))


def picture_reply(scene: Scene) -> Message:
    """What was understood, in words, and then the canonical drawing of it."""
    return Message("assistant", (Text(describe(scene)), render(scene)))
