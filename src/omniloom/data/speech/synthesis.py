"""Synthetic speech: many voices for what a user says, one fixed voice for what the assistant says.

A user's sentence is spoken whole, with the intonation that the synthesizer gives it. The assistant's words are made
one by one: each word is said three times in a row in a flat pitch, and the middle one is cut out at the synthesizer's
own word times, so that it is neither drawn out like a last word nor coloured by its neighbours. Every occurrence of a
word is then the same samples and a whole number of codec frames, which makes speaking learnable in minutes. Cutting
the words out of whole sentences was tried first and rejected: with a word gap of 40 ms, two cuts of one word had the
same number of frames in 67 % of pairs, and their log-mel differed by 1.06 nats (two different words: 3.91).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from omniloom.data.speech._espeak import Settings, Utterance, espeak
from omniloom.data.speech.crowd import settings_of
from omniloom.data.speech.words import Language
from omniloom.stream.parts import Audio, Part, Text, TimedWord

RATE_HZ = 16_000
FRAME_SAMPLES = 640
"""Samples in one frame of the audio codec: 25 frames a second."""

_LEVEL = 0.1
"""Root mean square of every assistant word: -20 dB, which leaves room for the peaks of the loudest one."""
_QUIET = 0.004
"""Below this 5 ms level (-48 dB) the synthesizer is between words; its weakest consonants lie at -40 dB."""
_LEAD_S, _TAIL_S = 0.01, 0.03


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A speaker: an accent and a variant of espeak-ng, its `pitch` and `pitch_range` (0-100), and words a minute.

    `number` is that of a speaker of the crowd, in place of a variant.
    """

    name: str
    language: str
    variant: str = ""
    pitch: int = 50
    pitch_range: int = 50
    rate_wpm: int = 160
    word_gap: int = 0
    number: int | None = None

    def varied(self, rng: np.random.Generator) -> Voice:
        """The same speaker in another mood: up to 20 % faster or slower, up to 15 steps higher or lower."""
        rate_wpm = round(self.rate_wpm * rng.uniform(0.8, 1.2))
        pitch = int(np.clip(self.pitch + rng.integers(-15, 16), 0, 99))
        return replace(self, rate_wpm=rate_wpm, pitch=pitch)

    def like_nobody(self, rng: np.random.Generator) -> Voice:
        """A speaker of the crowd with the same accent, who was probably never heard before."""
        number = int(rng.integers(2**31))
        return Voice(name=f"crowd{number}", language=self.language, number=number)

    @property
    def settings(self) -> Settings:
        return Settings(
            voice=f"{self.language}+{self.variant}" if self.variant else self.language,
            rate_wpm=self.rate_wpm,
            pitch=self.pitch,
            pitch_range=self.pitch_range,
            word_gap=self.word_gap,
            variant="" if self.number is None else settings_of(self.number),
        )


@dataclass(frozen=True, eq=False)
class Spoken:
    """Synthesized speech at 16 kHz and its words."""

    audio: Audio
    words: tuple[TimedWord, ...]


def _voices(*names: str) -> tuple[Voice, ...]:
    return tuple(Voice(name=name, language=name.split("+")[0], variant=name.partition("+")[2]) for name in names)


LISTENER_VOICES = _voices(
    "en-us+m3", "en-us+f1", "en-us+f2", "en-us+klatt2", "en-us+Andy", "en-us+Alicia", "en-us+Gene", "en-us+edward",
    "en-us+Michael", "en+m2", "en+f3", "en+m4", "en+linda", "en+adam", "en-gb-x-rp+m7", "en-gb-x-rp+steph",
    "en-gb-x-rp+max", "en-gb-scotland+m5", "en-gb-scotland+f5", "en-gb-scotland+john", "en-gb-x-gbclan+m1",
    "en-gb-x-gbclan+belinda", "en-gb-x-gbcwmd+m6", "en-gb-x-gbcwmd+Denis",
)  # fmt: skip
"""The speakers that the listener which judges replies has heard."""

TRAIN_VOICES = LISTENER_VOICES + _voices(
    "en-us+Alex", "en-us+antonio", "en-us+edward2", "en-us+Gene2", "en-us+grandma", "en-us+klatt", "en-us+klatt4",
    "en-us+michel", "en-us+rob", "en-us+Storm", "en+Andrea", "en+announcer", "en+benjamin", "en+ed", "en+Hugo",
    "en+iven4", "en+Jacky", "en+klatt3", "en+miguel", "en+pablo", "en+robert", "en+travis", "en-gb-x-rp+AnxiousAndy",
    "en-gb-x-rp+iven", "en-gb-x-rp+klatt6", "en-gb-x-rp+Mike", "en-gb-x-rp+sandro", "en-gb-x-rp+victor",
    "en-gb-scotland+aunty", "en-gb-scotland+Diogo", "en-gb-scotland+gustave", "en-gb-scotland+iven3",
    "en-gb-scotland+Mario", "en-gb-scotland+steph2", "en-gb-x-gbclan+boris", "en-gb-x-gbclan+grandpa",
    "en-gb-x-gbclan+iven2", "en-gb-x-gbclan+marcelo", "en-gb-x-gbclan+mike2", "en-gb-x-gbcwmd+Henrique",
    "en-gb-x-gbcwmd+pedro", "en-gb-x-gbcwmd+steph3", "en-gb-x-gbcwmd+Tweaky",
)  # fmt: skip
"""The speakers of training examples.

Of the variants of espeak-ng, those are out of which the listener missed more than a quarter of the words, Nguyen, which
shares most of its settings with the held-out m8, and caleb and Reed, which say other samples each second.
"""

NEW_VOICES = _voices(
    "en-us+f4", "en-us+david", "en+Annie", "en-gb-scotland+m8", "en-029+paul", "en-us-nyc+quincy",
)  # fmt: skip
"""Speakers in no training example; the last two have accents that no training voice has.

The variant Lee was tried and taken out: of what it says, the listener misses more than half in any accent.
"""

LISTENER_FRENCH_VOICES = _voices(
    "fr+m3", "fr+f1", "fr+f2", "fr+klatt2", "fr+Andy", "fr-be+Alicia", "fr-be+Gene", "fr-be+m2", "fr-be+linda",
    "fr-ch+adam", "fr-ch+m7", "fr-ch+steph", "fr-ch+f5", "fr-ch+edward",
)  # fmt: skip
"""The speakers of French that the listener has heard; the language of the voice France is plain `fr` to espeak-ng."""

FRENCH_TRAIN_VOICES = LISTENER_FRENCH_VOICES + _voices(
    "fr+f3", "fr+m4", "fr+Michael", "fr+max", "fr+Andrea", "fr+benjamin", "fr+iven4", "fr+grandma", "fr-be+m5",
    "fr-be+john", "fr-be+belinda", "fr-be+antonio", "fr-be+Jacky", "fr-be+travis", "fr-ch+m1", "fr-ch+m6",
    "fr-ch+Denis", "fr-ch+Hugo", "fr-ch+sandro", "fr-ch+aunty",
)  # fmt: skip

FRENCH_NEW_VOICES = _voices("fr+f4", "fr+david", "fr-be+Annie", "fr-ch+m8")
"""Speakers in no training example of either language."""

VOICES: dict[Language, dict[str, tuple[Voice, ...]]] = {
    "en": {"train": TRAIN_VOICES, "new": NEW_VOICES, "composed": TRAIN_VOICES},
    "fr": {"train": FRENCH_TRAIN_VOICES, "new": FRENCH_NEW_VOICES, "composed": FRENCH_TRAIN_VOICES},
}
"""Users by language and split."""

ASSISTANT_VOICE = Voice(name="assistant", language="en-us", pitch=50, pitch_range=0, rate_wpm=200, word_gap=4)
"""The one voice that the assistant answers in."""

ASSISTANT_VOICES: dict[Language, Voice] = {
    "en": ASSISTANT_VOICE,
    "fr": replace(ASSISTANT_VOICE, language="fr", rate_wpm=180),
}
"""The same voice in each language; a little slower in French, where some words are one vowel."""

_SAID_ALONE = {"en": "an", "un": "hun", "six": "sisse", "dix": "disse", "images": "image"}
"""French words whose end depends on the word after them, spelled so that they are said as they are alone."""


def synthesize(text: str, voice: Voice) -> Spoken:
    """Say a text; the same text and voice always give the same samples.

    Raises:
        ImportError: If espeak-ng is not installed, naming the extra that brings it.
        ValueError: If there is nothing to say.
    """
    said = espeak().speak(text, voice.settings)
    audio = Audio(torch.from_numpy(said.samples), said.rate_hz).resampled(RATE_HZ)
    return Spoken(audio, _timed_words(text, said))


def speak_reply(words: str, language: Language = "en") -> list[Part]:
    """The assistant saying words: each word's text just ahead of its sound, a whole number of 40 ms frames."""
    if not words.split():
        raise ValueError("a spoken reply needs at least one word")
    parts: list[Part] = []
    for index, word in enumerate(words.split()):
        parts += [Text(f" {word}" if index else word), assistant_word(word, language)]
    return parts


@lru_cache(maxsize=4096)
def assistant_word(word: str, language: Language = "en") -> Audio:
    """One word in the assistant's voice: near silence at both ends, even loudness, whole frames at 16 kHz."""
    spelled = _SAID_ALONE.get(word, word) if language == "fr" else word
    said = espeak().speak(f"{spelled} {spelled} {spelled}", ASSISTANT_VOICES[language].settings)
    if len(said.words) != 3:
        raise ValueError(f"{word!r} is not one word to the synthesizer; write numbers out and leave punctuation away")
    start, end = said.words[1].first_sample, said.words[2].first_sample
    slice_ = Audio(torch.from_numpy(said.samples[start:end].copy()), said.rate_hz).resampled(RATE_HZ)
    return Audio(torch.from_numpy(_framed(slice_.samples.numpy())), RATE_HZ)


def _framed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound of a word in as few whole frames as hold it and a little silence on both sides."""
    loud = np.flatnonzero(_levels(samples) > _QUIET)
    step = RATE_HZ // 200
    sound = samples[loud[0] * step : (loud[-1] + 1) * step]
    sound = sound * (_LEVEL / np.sqrt(np.mean(sound**2)))
    lead, tail = round(_LEAD_S * RATE_HZ), round(_TAIL_S * RATE_HZ)
    num_frames = -(-(lead + sound.size + tail) // FRAME_SAMPLES)
    framed = np.zeros(num_frames * FRAME_SAMPLES, np.float32)
    framed[lead : lead + sound.size] = sound
    ramp = np.linspace(0, 1, step, dtype=np.float32)
    framed[lead : lead + step] *= ramp
    framed[lead + sound.size - step : lead + sound.size] *= ramp[::-1]
    return framed.clip(-1, 1)


def _levels(samples: NDArray[np.float32], rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Root mean square of every 5 ms; an unfinished last piece is dropped."""
    step = rate_hz // 200
    whole = samples[: samples.size // step * step].reshape(-1, step)
    levels: NDArray[np.float32] = np.sqrt(np.mean(whole**2, axis=1))
    return levels


def _timed_words(text: str, said: Utterance) -> tuple[TimedWord, ...]:
    levels = _levels(said.samples, said.rate_hz)
    step = said.rate_hz // 200
    if not said.words:
        raise ValueError(f"there is nothing to say in {text!r}; give at least one word")
    ends = [event.first_sample for event in said.words[1:]] + [said.samples.size]
    words: list[TimedWord] = []
    for event, end in zip(said.words, ends, strict=True):
        loud = np.flatnonzero(levels[event.first_sample // step : end // step] > _QUIET)
        if loud.size:
            end = min(end, event.first_sample + (int(loud[-1]) + 1) * step)
        spelled = text[event.first_character : event.first_character + event.num_characters]
        words.append(TimedWord(spelled, event.first_sample / said.rate_hz, end / said.rate_hz))
    return tuple(words)
