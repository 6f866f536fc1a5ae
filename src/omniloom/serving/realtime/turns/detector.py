"""When someone starts and stops speaking, and which of the sound the model should hear.

Silero's small network gives the probability of speech of every 32 ms; the rest is counting, kept apart from it so that
tests can give probabilities of their own. Two windows in a row start a turn: one alone is often a click. The silence
that ends a turn is held back from the model and only given when speech resumes, so a model never meets silences that
it was not trained on. Silero lets go of a word some 60 ms late, which is all the fading out that a word needs.

A model that reads the end of a turn itself (`TurnEnd`) was trained on silences and hears them. Where it says that all
was said, a much shorter silence is enough; where it does not, the turn still ends after the silence that is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime.media import MODEL_RATE_HZ
from omniloom.serving.realtime.protocol import ServerVad
from omniloom.serving.realtime.turns.silence import trim_silence
from omniloom.serving.realtime.turns.silero import WINDOW

WINDOW_MS = WINDOW * 1000 // MODEL_RATE_HZ
START_WINDOWS = 2
ENDED = 0.4
"""Probability of the turn's end from which a frame counts.

With three in a row it is what `omniloom evaluate turns` chooses for the shipped model (docs/report.md).
"""
ENDED_FRAMES = 3
"""So many in a row say that the turn has ended."""
ENDED_SILENCE_MS = 80
"""Silence that the detector must find beside it, so that no model answers into a word."""
HYSTERESIS = 0.15
"""Once speaking, speech is believed down to this much below the threshold (as silero's own iterator does)."""

Window = Float32[np.ndarray, " N"]
SpeechProbability = Callable[[Window], float]


@dataclass(frozen=True)
class Started:
    """Speech started, counted from the first sample pushed, prefix included."""

    at_ms: int


@dataclass(frozen=True, eq=False)
class Heard:
    """Sound of the turn, in order."""

    samples: Window


@dataclass(frozen=True)
class Stopped:
    """The turn is over, the silence that ended it included."""

    at_ms: int


Signal = Started | Heard | Stopped


class TurnEnd:
    """What the model says of the end of the turn: told frame by frame in its thread, asked in the detector's."""

    def __init__(self) -> None:
        self._num_ended = 0

    @property
    def has_come(self) -> bool:
        return self._num_ended >= ENDED_FRAMES

    def tell(self, probabilities: Iterable[float]) -> None:
        """How likely it is, after each of more frames, that the turn has ended."""
        for probability in probabilities:
            self._num_ended = self._num_ended + 1 if probability >= ENDED else 0

    def forget(self) -> None:
        """Speech goes on, or begins anew."""
        self._num_ended = 0


class TurnDetector:
    """Sound in pieces of any size in; starts, sound to hear and stops out."""

    def __init__(
        self,
        settings: ServerVad,
        probability: SpeechProbability,
        *,
        max_turn_s: float,
        turn_end: TurnEnd | None = None,
    ) -> None:
        """`turn_end` is what a model makes of the sound that it is given from here; None where it reads no ends."""
        self.is_speaking = False
        self._turn_end = turn_end
        self._settings = settings
        self._probability = probability
        self._max_windows = max(1, int(max_turn_s * 1000) // WINDOW_MS)
        self._prefix: deque[Window] = deque(maxlen=settings.prefix_padding_ms // WINDOW_MS + START_WINDOWS)
        self._rest: Window = np.zeros(0, np.float32)
        self._held: list[Window] = []
        self._num_windows = self._num_loud = self._num_silent = self._num_heard = 0

    @property
    def settings(self) -> ServerVad:
        return self._settings

    def push(self, samples: Window) -> Iterator[Signal]:
        """What the new samples (16 kHz) tell; samples that fill no window wait for the next call."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // WINDOW * WINDOW
        self._rest = samples[whole:]
        for start in range(0, whole, WINDOW):
            window = samples[start : start + WINDOW]
            self._num_windows += 1
            probability = self._probability(window)
            follow = self._while_speaking if self.is_speaking else self._while_silent
            yield from follow(window, probability)

    def stop(self) -> Iterator[Signal]:
        """End a turn that is going on, whatever was heard last."""
        if self.is_speaking:
            yield self._stopped()

    def _while_silent(self, window: Window, probability: float) -> Iterator[Signal]:
        self._prefix.append(window)
        self._num_loud = self._num_loud + 1 if probability >= self._settings.threshold else 0
        if self._num_loud >= START_WINDOWS:
            self.is_speaking = True
            self._num_silent, self._num_heard = 0, len(self._prefix)
            if self._turn_end is not None:
                self._turn_end.forget()
            yield Started((self._num_windows - len(self._prefix)) * WINDOW_MS)
            yield Heard(trim_silence(np.concatenate(self._prefix), only_start=True))
            self._prefix.clear()

    def _while_speaking(self, window: Window, probability: float) -> Iterator[Signal]:
        self._num_heard += 1
        if probability >= self._settings.threshold - HYSTERESIS:
            yield Heard(np.concatenate([*self._held, window]))
            self._held, self._num_silent = [], 0
            if self._turn_end is not None:
                self._turn_end.forget()
        else:
            self._num_silent += 1
            if self._turn_end is None:
                self._held.append(window)
            else:
                yield Heard(window)
        silence_ms = self._settings.silence_duration_ms
        if self._turn_end is not None and self._turn_end.has_come:
            silence_ms = min(silence_ms, ENDED_SILENCE_MS)
        is_silent = self._num_silent * WINDOW_MS >= silence_ms
        if is_silent or self._num_heard >= self._max_windows:
            yield self._stopped()

    def _stopped(self) -> Stopped:
        self._prefix.extend(self._held)
        self.is_speaking, self._held, self._num_loud = False, [], 0
        return Stopped(self._num_windows * WINDOW_MS)
