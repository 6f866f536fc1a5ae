"""The voices that speech comes in: the model's own, the same one shifted in pitch, and each at any speed.

A model has one voice, the one it learned to speak in, "loom". "loom-low" and "loom-high" are that voice played slower
or faster and brought back to its tempo, so formants move with the pitch: a larger and a smaller speaker. The voice
names of OpenAI's clients are taken as other names of "loom", for clients send one by default; which name was sent is
kept by the caller. Tempo is changed by FFmpeg's `atempo` (overlap-add of similar waves), which streams; a phase vocoder
was rejected for its smeared onsets on speech. Speed 1 of "loom" goes through the resampler alone: nothing is added.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import soxr
from av.filter import Graph
from jaxtyping import Float32

PITCH: dict[str, Fraction] = {"loom": Fraction(1), "loom-low": Fraction(4, 5), "loom-high": Fraction(5, 4)}
"""The voices there are, and how much higher than the model's own each is."""

OTHER_NAMES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar",
    "beacon", "bossa", "cinder", "delta", "gleam", "meridian", "quartz", "ripple", "shida", "stone", "tempo", "vesper",
    "willow",
)  # fmt: skip
"""What clients of OpenAI call voices; each means "loom" here."""

VOICES: tuple[str, ...] = (*PITCH, *OTHER_NAMES)
"""Every name that is taken."""

MIN_SPEED, MAX_SPEED = 0.25, 4.0

_LEAST_TEMPO = 0.5
"""What one `atempo` slows down to at most."""


def require_voice(voice: str, speed: float = 1.0) -> None:
    """Check a voice and a speed before anything is said in them.

    Raises:
        ValueError: If there is no such voice, or the speed is out of bounds.
    """
    if voice not in VOICES:
        raise ValueError(f"there is no voice {voice[:80]!r}; the voices are {', '.join(VOICES)}")
    if not MIN_SPEED <= speed <= MAX_SPEED:
        raise ValueError(f"speed must be from {MIN_SPEED} to {MAX_SPEED}, got {speed}")


class SpokenVoice:
    """Speech from the model's rate to the listener's, in a voice and at a speed, piece by piece.

    Pieces of any size give the samples that the whole gives. What comes out lags by the resampler's 6 ms; a changed
    pitch or speed needs 80 to 160 ms of speech before it gives any, and twice that at speed 4.
    """

    def __init__(self, voice: str = "loom", speed: float = 1.0, *, from_hz: int, to_hz: int) -> None:
        """Raises ValueError as `require_voice` does."""
        require_voice(voice, speed)
        pitch = PITCH.get(voice, Fraction(1))
        # Played at another rate the voice has the pitch that is wanted, and a tempo to undo.
        played_hz = int(from_hz * pitch)
        tempo = speed / float(pitch)
        self._tempo = None if tempo == 1 else _Tempo(tempo, rate_hz=played_hz)
        # "MQ" keeps 16-bit quality with a fifth of the delay of "HQ" (6 ms, not 33 ms, from 16 to 24 kHz; measured).
        self._resampler = (
            None if played_hz == to_hz else soxr.ResampleStream(played_hz, to_hz, 1, dtype="float32", quality="MQ")
        )

    def push(self, samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " M"]:
        """The next piece of speech, as far as it can be told."""
        return self._resampled(samples if self._tempo is None else self._tempo.push(samples), is_last=False)

    def flush(self) -> Float32[np.ndarray, " M"]:
        """What the filters still hold; nothing can be pushed after it."""
        rest = np.zeros(0, np.float32) if self._tempo is None else self._tempo.flush()
        return self._resampled(rest, is_last=True)

    def _resampled(self, samples: Float32[np.ndarray, " N"], *, is_last: bool) -> Float32[np.ndarray, " M"]:
        if self._resampler is None:
            return samples
        found: Float32[np.ndarray, " M"] = self._resampler.resample_chunk(np.ascontiguousarray(samples), last=is_last)
        return found


class _Tempo:
    """Sound at another tempo and the same pitch.

    `atempo` ends a sound differently with the size of its last frame, so it is given frames of one size only.
    """

    def __init__(self, tempo: float, *, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frame_samples = rate_hz // 100
        self._rest = np.zeros(0, np.float32)
        self._num_pushed = 0
        self._graph = Graph()
        last = self._graph.add_abuffer(format="flt", sample_rate=rate_hz, layout="mono", time_base=Fraction(1, rate_hz))
        while tempo < _LEAST_TEMPO:
            last = self._linked(last, _LEAST_TEMPO)
            tempo /= _LEAST_TEMPO
        self._linked(last, tempo).link_to(self._graph.add("abuffersink"))
        self._graph.configure()

    def push(self, samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " M"]:
        waiting = np.concatenate([self._rest, samples])
        whole = waiting.size // self._frame_samples * self._frame_samples
        self._rest = waiting[whole:]
        for start in range(0, whole, self._frame_samples):
            self._give(waiting[start : start + self._frame_samples])
        return self._pulled()

    def flush(self) -> Float32[np.ndarray, " M"]:
        if self._rest.size:
            self._give(self._rest)
        self._graph.push(None)
        return self._pulled()

    def _give(self, samples: Float32[np.ndarray, " N"]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._num_pushed
        self._num_pushed += samples.size
        self._graph.push(frame)

    def _linked(self, last: av.filter.FilterContext, tempo: float) -> av.filter.FilterContext:
        added = self._graph.add("atempo", str(tempo))
        last.link_to(added)
        return added

    def _pulled(self) -> Float32[np.ndarray, " M"]:
        pieces = []
        while True:
            try:
                pieces.append(self._graph.pull().to_ndarray()[0])
            except (av.BlockingIOError, av.EOFError):
                break
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
