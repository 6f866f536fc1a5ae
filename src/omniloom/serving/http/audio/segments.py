"""A long sound in the pieces that a model can hear: cut where nobody speaks, with the time of each.

The detector of turns that a session has cuts here too, fed window by window so that each piece's place is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime.protocol import ServerVad
from omniloom.serving.realtime.turns import Heard, Silero, SpeechProbability, Stopped, TurnDetector
from omniloom.serving.realtime.turns.silero import WINDOW

RATE_HZ = 16_000


@dataclass(frozen=True, eq=False)
class Segment:
    """Speech between two silences."""

    samples: Float32[np.ndarray, " N"]
    start_s: float
    speech_probability: float
    """Of its windows, on average."""

    @property
    def end_s(self) -> float:
        return self.start_s + self.samples.size / RATE_HZ


@dataclass
class _Recorder:
    """Probabilities of speech, kept as they are asked for."""

    probability: SpeechProbability
    values: list[float] = field(default_factory=list)

    def __call__(self, window: Float32[np.ndarray, " N"]) -> float:
        self.values.append(self.probability(window))
        return self.values[-1]


def speech_segments(
    samples: Float32[np.ndarray, " N"],
    settings: ServerVad,
    *,
    max_s: float,
    probability: SpeechProbability | None = None,
) -> Iterator[Segment]:
    """The speech in a sound (16 kHz), each piece at most `max_s` long; nothing where nobody speaks."""
    recorder = _Recorder(probability or Silero())
    detector = TurnDetector(settings, recorder, max_turn_s=max_s)
    pieces: list[np.ndarray] = []
    start = 0
    padded = np.concatenate([samples, np.zeros(-samples.size % WINDOW, np.float32)])
    for place in range(0, padded.size, WINDOW):
        for signal in detector.push(padded[place : place + WINDOW]):
            if isinstance(signal, Heard):
                start = start if pieces else place + WINDOW - signal.samples.size
                pieces.append(signal.samples)
            elif isinstance(signal, Stopped):
                yield _segment(pieces, start, samples.size, recorder)
                pieces = []
    if pieces:
        yield _segment(pieces, start, samples.size, recorder)


def _segment(pieces: list[np.ndarray], start: int, num_samples: int, recorder: _Recorder) -> Segment:
    samples = np.concatenate(pieces)[: num_samples - start]
    own = recorder.values[start // WINDOW : -(-(start + samples.size) // WINDOW)]
    return Segment(samples, start / RATE_HZ, float(np.mean(own)))
