"""The voices that speech comes in: the model's own, the same one shifted in pitch, each at any speed and any rate.

A model has one voice, the one it learned to speak in, "loom". "loom-low" and "loom-high" are that voice played slower
or faster and brought back to its tempo, so formants move with the pitch: a larger and a smaller speaker. The voice
names of OpenAI's clients are taken as other names of "loom", for clients send one by default; which name was sent is
kept by the caller. Tempo is changed by FFmpeg's `atempo` (overlap-add of similar waves), which streams; a phase vocoder
was rejected for its smeared onsets on speech. Speed 1 of "loom" goes through the resampler alone: nothing is added.

Rates are changed by FFmpeg's resampler too, whose filter keeps back the same 2 to 4 ms always. soxr was rejected for
streams: it works in blocks, and keeps back up to 38 ms between 24 and 16 kHz, up to 118 at a telephone's rate.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
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

_LARGEST_FRAME = 4_800
"""Samples that a filter is given at once: it keeps room for the most it ever had, for as long as its session lasts."""

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

    Pieces of any size give the samples that the whole gives. It lags by the 2 to 4 ms of the resampler; a changed
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
        self._resampler = Resampler(played_hz, to_hz)

    def push(self, samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " M"]:
        """The next piece of speech, as far as it can be told."""
        return self._resampler.push(samples if self._tempo is None else self._tempo.push(samples))

    def flush(self) -> Float32[np.ndarray, " M"]:
        """What the filters still hold; nothing can be pushed after it."""
        rest = np.zeros(0, np.float32) if self._tempo is None else self._tempo.flush()
        return np.concatenate([self._resampler.push(rest), self._resampler.flush()])


class Resampler:
    """Sound from one rate to another, piece by piece: pieces of any size give exactly the samples of the whole."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        # 64 taps keep what stands below 0.9 of the lower rate's half, and 90 dB less of what lies above it.
        self._filters = (
            None if from_hz == to_hz else _Filters(("aresample", f"{to_hz}:filter_size=64"), rate_hz=from_hz)
        )

    def push(self, samples: Float32[np.ndarray, " N"], *, is_last: bool = False) -> Float32[np.ndarray, " M"]:
        if self._filters is None:
            return samples
        found = self._filters.push(samples)
        return np.concatenate([found, self.flush()]) if is_last else found

    def flush(self) -> Float32[np.ndarray, " M"]:
        """What the filter still holds; nothing can be pushed after it."""
        return self._filters.flush() if self._filters is not None else np.zeros(0, np.float32)


class _Tempo:
    """Sound at another tempo and the same pitch.

    `atempo` ends a sound differently with the size of its last frame, so it is given frames of one size only.
    """

    def __init__(self, tempo: float, *, rate_hz: int) -> None:
        self._frame_samples = rate_hz // 100
        self._rest = np.zeros(0, np.float32)
        chain = []
        while tempo < _LEAST_TEMPO:
            chain.append(("atempo", str(_LEAST_TEMPO)))
            tempo /= _LEAST_TEMPO
        self._filters = _Filters(*chain, ("atempo", str(tempo)), rate_hz=rate_hz)

    def push(self, samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " M"]:
        waiting = np.concatenate([self._rest, samples])
        whole = waiting.size // self._frame_samples * self._frame_samples
        self._rest = waiting[whole:]
        frames = [
            self._filters.push(waiting[start : start + self._frame_samples])
            for start in range(0, whole, self._frame_samples)
        ]
        return np.concatenate(frames) if frames else np.zeros(0, np.float32)

    def flush(self) -> Float32[np.ndarray, " M"]:
        return np.concatenate([self._filters.push(self._rest), self._filters.flush()])


class _Filters:
    """Sound through a chain of FFmpeg's filters, each by its name and its arguments."""

    def __init__(self, *chain: tuple[str, str], rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._num_pushed = 0
        self._graph = Graph()
        self._graph.threads = 1  # By itself it starts one for each core, which sleep for as long as a session lasts.
        last = self._graph.add_abuffer(format="flt", sample_rate=rate_hz, layout="mono", time_base=Fraction(1, rate_hz))
        for name, arguments in (*chain, ("abuffersink", "")):
            added = self._graph.add(name, arguments)
            last.link_to(added)
            last = added
        self._graph.configure()

    def push(self, samples: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " M"]:
        found = []
        for start in range(0, samples.size, _LARGEST_FRAME):
            piece = samples[start : start + _LARGEST_FRAME]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece)[None], format="flt", layout="mono")
            frame.sample_rate = self._rate_hz
            frame.pts = self._num_pushed
            self._num_pushed += piece.size
            self._graph.push(frame)
            found.append(self._pulled())
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def flush(self) -> Float32[np.ndarray, " M"]:
        """What they still hold; nothing can be pushed after it."""
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Float32[np.ndarray, " M"]:
        pieces = []
        while True:
            try:
                pieces.append(self._graph.pull().to_ndarray()[0])
            except (av.BlockingIOError, av.EOFError):
                break
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
