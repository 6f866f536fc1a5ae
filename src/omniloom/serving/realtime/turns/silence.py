"""Silence around speech, by loudness alone: cut away before the model hears it, and how long it has lasted by now.

Training sounds are cut where they are audible, give or take 60 ms; a microphone gives half a second of room before and
after. Loudness of 10 ms frames decides, against the loudest of them and against the room: enough for the ends of what
is already known to be speech, and far cheaper than a second pass of the speech detector. It also falls the moment that
a speaker stops, when silero still believes for 60 ms in a word, and thinks in windows of 32.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime.media import MODEL_RATE_HZ

FRAME = MODEL_RATE_HZ // 100
MARGIN_FRAMES = 4
"""Frames kept outside what is loud: words begin and end softly."""
AUDIBLE = 0.03
"""Of the loudest frame; s and f are about so much below a vowel."""
OVER_ROOM = 2.5
"""Times the room's own loudness, taken as that of the quietest tenth of the frames."""
REMEMBERED_FRAMES = 850
"""How far back is listened: the longest wait that can be asked for, and a room's quietest tenth is in it."""
ONSET_FRAMES = 50
"""So long before it is noticed may speech have begun."""


def trim_silence(samples: Float32[np.ndarray, " N"], *, only_start: bool = False) -> Float32[np.ndarray, " M"]:
    """The sound (16 kHz) without the silence before and after it; whole where nothing stands out."""
    num_frames = len(samples) // FRAME
    if num_frames < 2 * MARGIN_FRAMES:
        return samples
    loudness = _loudness_of(samples[: num_frames * FRAME])
    loud = np.flatnonzero(loudness > _audible_from(float(loudness.max()), loudness))
    if not loud.size:
        return samples
    start = max(0, int(loud[0]) - MARGIN_FRAMES) * FRAME
    stop = len(samples) if only_start else min(len(samples), (int(loud[-1]) + 1 + MARGIN_FRAMES) * FRAME)
    return samples[start:stop]


class Quiet:
    """For how long nobody has been heard, in sound that comes in pieces."""

    def __init__(self) -> None:
        self._rest: Float32[np.ndarray, " N"] = np.zeros(0, np.float32)
        self._loudness: Float32[np.ndarray, " F"] = np.zeros(0, np.float32)
        self._loudest = 0.0

    def push(self, samples: Float32[np.ndarray, " N"]) -> None:
        """More sound at 16 kHz; what fills no frame waits for the next call."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        if not whole:
            return
        new = _loudness_of(samples[:whole])
        self._loudest = max(self._loudest, float(new.max()))
        self._loudness = np.concatenate([self._loudness, new])[-REMEMBERED_FRAMES:]

    def speech_began(self) -> None:
        """Someone speaks: from here on, loud is what is loud beside this voice."""
        self._loudest = float(self._loudness[-ONSET_FRAMES:].max(initial=0.0))

    @property
    def lasts_ms(self) -> int:
        """Silence by now; at most what is remembered."""
        if not self._loudness.size:
            return 0
        loud = np.flatnonzero(self._loudness > _audible_from(self._loudest, self._loudness))
        num_quiet = self._loudness.size - (int(loud[-1]) + 1 if loud.size else 0)
        return num_quiet * FRAME * 1000 // MODEL_RATE_HZ


def _loudness_of(samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " F"]:
    """Root mean square of each whole frame."""
    loudness: Float32[np.ndarray, " F"] = np.sqrt(np.square(samples).reshape(-1, FRAME).mean(axis=1))
    return loudness


def _audible_from(loudest: float, loudness: Float32[np.ndarray, " F"]) -> float:
    """The loudness from which a frame counts, beside the loudest and the room, which these frames show."""
    place = loudness.size // 10
    room = float(np.partition(loudness, place)[place])
    return max(AUDIBLE * loudest, min(OVER_ROOM * room, 0.5 * loudest))
