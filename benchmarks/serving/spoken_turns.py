"""What is said to the server in the benchmarks of serving: turns with a known end of speech and a known right answer.

Half are people's (digits of `fsdd`, one or two of them), half synthetic voices (sums and phrases to repeat, a third of
them with a pause of 0.3 to 1.0 s where nothing whole was said yet). Both are of a split: settings are chosen on
"train", and what is reported is of "new", of which no recording, voice or wording was ever trained or chosen on.

Around each goes the room: faint noise before, underneath and after, as loud as in training's recordings. Recordings are
cut where they are audible, so their true end is the last loud 10 ms (`fsdd.speech_end_s`); synthetic speech tells its
own. Digital silence around them was rejected: a microphone has none, and any detector is right on it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from omniloom.core.randomness import generator
from omniloom.data.problems import DigitsProblem, Example, SpeechProblem, Split, SumsProblem
from omniloom.data.problems.base import HEARD_MARK
from omniloom.data.problems.speech_problem import phrase_of
from omniloom.data.problems.sums import SUM, in_digits, operands_of, result
from omniloom.data.problems.turns import after_what_was_heard, aloud, spoken_reply
from omniloom.data.problems.wording import PHRASE_WORDINGS
from omniloom.data.speech.words import Language, number_words
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio

WIRE_RATE_HZ = 24_000
LEAD_S = (0.3, 0.4)
"""Of room before the first word; drawn, so that words begin anywhere in a server's window."""
NOISE_DB = (-70.0, -45.0)
"""Of the room, below the turn's peak."""
ORDER = (
    "digit",
    "sum",
    "digit",
    "echo",
    "digits",
    "paused sum",
    "digit",
    "sum",
    "digit",
    "echo",
    "digits",
    "paused echo",
)
"""Kinds of turns, again and again."""
PAUSED = frozenset({"paused sum", "paused echo"})
PEOPLE = frozenset({"digit", "digits"})


@dataclass(frozen=True, kw_only=True, eq=False)
class SpokenTurn:
    """One thing said, and what is right to answer."""

    index: int
    kind: str
    samples: Float32[np.ndarray, " N"]
    """At 24 kHz, from the room before the first word to where the recording ends; `room` goes on after it."""
    end_s: float
    """When the speaker has said all."""
    noise: float
    example: Example

    @property
    def is_real(self) -> bool:
        return self.kind in PEOPLE

    @property
    def pause_ms(self) -> int:
        """The longest silence between two of its words, by its labels; a fluent sentence has none to speak of."""
        (sound,) = self.example.prompt[-1].parts
        assert isinstance(sound, Audio)
        words = sound.words
        return max((round(1000 * (b.start_s - a.end_s)) for a, b in itertools.pairwise(words)), default=0)

    @property
    def audio(self) -> Audio:
        """What is heard, as the model takes it in one piece."""
        return Audio(torch.from_numpy(self.samples), WIRE_RATE_HZ)


def spoken_turns(num: int, *, split: Split = "new", seed: int = 0) -> Iterator[SpokenTurn]:
    """So many turns, each the same wherever it is made."""
    for index in range(num):
        yield spoken_turn(index, split=split, seed=seed)


def spoken_turn(index: int, *, split: Split = "new", seed: int = 0) -> SpokenTurn:
    """One of them."""
    kind = ORDER[index % len(ORDER)]
    example = _example(kind, split, seed * 1_000_000 + index)
    return _in_a_room(index, kind, example, generator("room", split, seed, index))


def room(noise: float, num_samples: int, random: np.random.Generator) -> Float32[np.ndarray, " N"]:
    """The room alone."""
    return np.float32(noise) * random.standard_normal(num_samples, dtype=np.float32)


def _in_a_room(index: int, kind: str, example: Example, random: np.random.Generator) -> SpokenTurn:
    (sound,) = example.prompt[-1].parts
    assert isinstance(sound, Audio) and sound.speech_end_s is not None
    said = sound.resampled(WIRE_RATE_HZ).samples.numpy()
    noise = float(np.abs(said).max() * 10 ** (random.uniform(*NOISE_DB) / 20))
    lead = int(random.uniform(*LEAD_S) * WIRE_RATE_HZ)
    samples = np.pad(said, (lead, 0)) + room(noise, lead + said.size, random)
    end_s = lead / WIRE_RATE_HZ + sound.speech_end_s
    return SpokenTurn(
        index=index, kind=kind, samples=samples.astype(np.float32), end_s=end_s, noise=noise, example=example
    )


@functools.cache
def _problems() -> tuple[DigitsProblem, SumsProblem, SpeechProblem]:
    return DigitsProblem(), SumsProblem(), SpeechProblem()


def _example(kind: str, split: Split, index: int) -> Example:
    digits, sums, speech = _problems()
    if kind in PEOPLE:
        # Recordings of training are worn by other rooms there, which also stretches them: those of "new" are as made.
        return digits.example(split, index, f"{kind}_audio")
    random = generator("spoken turn", kind, split, index)
    if kind.endswith("sum"):
        first, operation, second = operands_of(random, split)
        written = f"{number_words(first)} {operation} {number_words(second)}"
        answer = number_words(result(first, operation, second))
        reply = after_what_was_heard(spoken_reply(answer), in_digits(first, operation, second))
        problem, task, language, mark = sums, "sum_spoken_audio", "en", HEARD_MARK
        words = functools.partial(SUM.fill, split=split, is_spoken=True, sum=written)
    else:
        language: Language = "fr" if random.random() < speech.config.french else "en"
        answer = phrase_of(random, split, speech.config.echo_lengths, language)
        reply, problem, task, mark = spoken_reply(answer, language), speech, "echo", None
        words = functools.partial(PHRASE_WORDINGS[language].say.fill, split=split, is_spoken=True, phrase=answer)
    sound = _said(words, random, split, language, is_paused=kind in PAUSED)
    messages = (Message("user", (sound,)), reply)
    return problem.made(task, messages=messages, answer=answer, facts=(), judged_after=mark)


def _said(words, random: np.random.Generator, split: Split, language: Language, *, is_paused: bool) -> Audio:
    """In some wording by some voice of the split; where there is to be a pause, in one that has a place for it."""
    while True:
        sound, facts = aloud(words(random)[0], random, split, language, paused_share=float(is_paused))
        if not is_paused or any(fact.startswith("pause:") for fact in facts):
            return sound
