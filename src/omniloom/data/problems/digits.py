"""Digits by real human voices: a lone spoken digit is answered by saying it, or named when asked.

Two digits in a row, by the same speaker, are what can be composed: some ordered pairs are held out, the same ones that
spoken phrases hold out. Training recordings are augmented; those of *new* are heard as they were made. A few training
digits come from synthetic voices, so that the model does not take a telephone's bandwidth for the mark of a digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Literal

import numpy as np
import torch

from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import is_composed_bigram, phrase_facts
from omniloom.data.problems.templates import Templates, as_typed, pick
from omniloom.data.problems.turns import TRAILING_S, aloud, spoken_reply, written_reply
from omniloom.data.speech import fsdd
from omniloom.data.speech.words import DIGIT_WORDS
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Part, Text, TimedWord

WHICH_DIGIT = Templates(
    "which digit", ("which digit is this", "what digit do you hear", "which number is this", "what is the digit"), True
)
WHICH_DIGITS = Templates(
    "which digits",
    ("which digits are these", "what digits do you hear", "which two numbers are these", "what are the digits"),
    True,
)
GAP_S = (0.04, 0.2)
TAIL_DB = (-70.0, -45.0)
"""Of the recording's peak: the noise after it."""
PLAIN_SHARE = 0.15
"""Training recordings that are not augmented."""


@problems.register("digits")
class DigitsProblem(WeightedTasks):
    """One or two digits said by a person."""

    name = "digits"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, whose voices are heard, and the share of single digits by synthetic ones.

        `telephone` is how many of those come at the rate of the people's recordings.
        """

        digit_text: float = 4.5
        digit_audio: float = 2.5
        digit_asked_audio: float = 0.6
        digits_text: float = 3.0
        digits_audio: float = 1.5
        speakers: tuple[str, ...] = fsdd.SPEAKERS
        augmentation: fsdd.Augmentation = fsdd.Augmentation()
        synthetic: float = 0.15
        telephone: float = 0.0

    cells: ClassVar[dict[str, str | None]] = {
        "digit_text": "audio-to-text",
        "digit_audio": "audio-to-audio",
        "digit_asked_audio": "audio-to-audio",
        "digits_text": "audio-to-text",
        "digits_audio": "audio-to-audio",
    }

    def __init__(self, config: DigitsProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())
        unknown = set(self.config.speakers) - set(fsdd.SPEAKERS)
        if unknown or not self.config.speakers:
            raise ValueError(
                f"speakers must be of {', '.join(fsdd.SPEAKERS)}, got {', '.join(sorted(unknown)) or 'none'}"
            )

    def _digit_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._digit("digit_text", random, split, is_asked=True)

    def _digit_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._digit("digit_audio", random, split, is_asked=False)

    def _digit_asked_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._digit("digit_asked_audio", random, split, is_asked=True)

    def _digits_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._digits("digits_text", random, split, is_asked=True)

    def _digits_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._digits("digits_audio", random, split, is_asked=False)

    def _digit(self, task: str, random: np.random.Generator, split: Split, *, is_asked: bool) -> Example:
        if split == "composed":
            return self._digits(task, random, split, is_asked=is_asked)
        if split == "train" and random.random() < self.config.synthetic:
            answer = pick(random, DIGIT_WORDS)
            sound, facts = aloud(answer, random, split)
            if self.config.telephone and random.random() < self.config.telephone:
                sound = sound.resampled(fsdd.TELEPHONE_HZ)
        else:
            recording = pick(random, _recordings(self._takes(split), self.config.speakers, None))
            answer, facts = DIGIT_WORDS[recording.digit], _facts(recording)
            loud = fsdd.load(recording)
            named = replace(loud, words=(TimedWord(answer, 0.0, fsdd.speech_end_s(loud)),))
            sound = _heard(named, random, split, self.config.augmentation)
        return self._finish(task, random, split, sound=sound, answer=answer, facts=facts, is_asked=is_asked)

    def _digits(self, task: str, random: np.random.Generator, split: Split, *, is_asked: bool) -> Example:
        first, second = _digit_pair(random, split)
        speaker = (pick(random, self.config.speakers),)
        pair = [pick(random, _recordings(self._takes(split), speaker, digit)) for digit in (first, second)]
        loud = [fsdd.load(recording) for recording in pair]
        gap = torch.zeros(int(random.uniform(*GAP_S) * loud[0].rate_hz))
        names = DIGIT_WORDS[first], DIGIT_WORDS[second]
        answer = " ".join(names)
        starts_s = 0.0, loud[0].duration_s + gap.numel() / loud[0].rate_hz
        joined = Audio(
            torch.cat([loud[0].samples, gap, loud[1].resampled(loud[0].rate_hz).samples]),
            loud[0].rate_hz,
            words=tuple(
                TimedWord(name, start_s, start_s + fsdd.speech_end_s(sound))
                for name, start_s, sound in zip(names, starts_s, loud, strict=True)
            ),
        )
        facts = [*_facts(pair[0]), *_facts(pair[1]), *phrase_facts(answer)[1:]]
        sound = _heard(joined, random, split, self.config.augmentation)
        return self._finish(task, random, split, sound=sound, answer=answer, facts=facts, is_asked=is_asked)

    def _finish(
        self,
        task: str,
        random: np.random.Generator,
        split: Split,
        *,
        sound: Audio,
        answer: str,
        facts: list[str],
        is_asked: bool,
    ) -> Example:
        parts: list[Part] = [sound]
        if is_asked:
            templates = WHICH_DIGITS if " " in answer else WHICH_DIGIT
            words, more = templates.fill(random, split, is_spoken=False)
            parts.insert(int(random.random() < 0.2), Text(as_typed(words, random, is_question=True)))
            facts = [*facts, *more]
        reply = spoken_reply(answer) if task.endswith("audio") else written_reply(answer)
        return self.made(task, messages=(Message("user", tuple(parts)), reply), answer=answer, facts=facts)

    @staticmethod
    def _takes(split: Split) -> Literal["train", "new"]:
        return "new" if split == "new" else "train"


def _digit_pair(random: np.random.Generator, split: Split) -> tuple[int, int]:
    """Two digits; of *composed*, a held-out ordered pair."""
    while True:
        first, second = (int(digit) for digit in random.integers(0, 10, 2))
        if is_composed_bigram(DIGIT_WORDS[first], DIGIT_WORDS[second]) == (split == "composed"):
            return first, second


def _heard(sound: Audio, random: np.random.Generator, split: Split, changes: fsdd.Augmentation) -> Audio:
    if split == "new" or random.random() < PLAIN_SHARE:
        plain = sound.resampled(fsdd.RATE_HZ)
        heard = replace(plain, speech_end_s=fsdd.speech_end_s(plain))
    else:
        heard = fsdd.augmented(sound, random, changes)
    return with_quiet_tail(heard, random) if split == "train" else heard


def with_quiet_tail(sound: Audio, random: np.random.Generator) -> Audio:
    """The sound with a moment of faint noise after it, in which its turn has ended."""
    size = int(random.uniform(*TRAILING_S) * sound.rate_hz)
    level = float(sound.samples.abs().max()) * 10 ** (random.uniform(*TAIL_DB) / 20)
    tail = torch.from_numpy(level * random.standard_normal(size, dtype=np.float32))
    return replace(sound, samples=torch.cat([sound.samples, tail]))


@cache
def _recordings(
    takes: Literal["train", "new"], speakers: tuple[str, ...], digit: int | None
) -> tuple[fsdd.Recording, ...]:
    """The takes of these speakers, of one digit or of all."""
    return tuple(item for item in fsdd.recordings(takes) if item.speaker in speakers and digit in (None, item.digit))


def _facts(recording: fsdd.Recording) -> list[str]:
    return [f"take:{recording.digit} {recording.speaker} {recording.take}", f"speaker:{recording.speaker}"]
