"""When someone starts and stops speaking, and which of the sound the model should hear.

Silero's small network gives the probability of speech of every 32 ms; the rest is counting, kept apart from it so that
tests can give probabilities of their own. Two windows in a row start a turn: one alone is often a click.

With `server_vad` silence ends it. That silence is held back from the model and only given when speech resumes, so the
model never meets silences that it was not trained on. Silero lets go of a word some 60 ms late, which is all the fading
out that a word needs.

How long silence has lasted is told by loudness (`silence.Quiet`), for silero is 60 to 90 ms late and thinks in windows
of 32, and by silero where a room is never quiet. Silero alone made 200 ms of silence 340.

With `semantic_vad` the model ends it. It was trained on short silences, hears those, and says of each 40 ms how likely
all was said. The surer it is, the less silence is waited for: `WAITS`. One threshold over several frames in a row, as
`omniloom evaluate turns` scores it, was rejected for serving: whoever says one digit may say a second, which no model
can know, so a threshold that sits that out makes every whole sentence wait too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime.media import MODEL_RATE_HZ
from omniloom.serving.realtime.protocol import SemanticVad, ServerVad
from omniloom.serving.realtime.turns.silence import Quiet, trim_silence
from omniloom.serving.realtime.turns.silero import WINDOW

WINDOW_MS = WINDOW * 1000 // MODEL_RATE_HZ
START_WINDOWS = 2
WAITS = ((1, 0.98, 60), (4, 0.3, 280), (4, 0.1, 400))
"""Where the model gave so many frames at least this probability of the end, so many milliseconds of silence end it.

Where none holds, the setting's longest wait does. Chosen for the shipped model on voices and takes of training by
`benchmarks/serving/choose_waits.py`.
"""
HEARD_SILENCE_MS = 240
"""Silence that the model hears with `semantic_vad`: the longest after a whole turn in training (`data.problems.turns`).

More of it is held back, until speech resumes: with 300 ms, one person's digit in ten was answered wrongly.
"""
HYSTERESIS = 0.15
"""Once speaking, speech is believed down to this much below the threshold (as silero's own iterator does)."""
SEMANTIC_THRESHOLD, SEMANTIC_PREFIX_MS = 0.5, 300
"""What `server_vad` has by default, where `semantic_vad` leaves no choice."""

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
        self._newest: deque[float] = deque(maxlen=max(num_frames for num_frames, _, _ in WAITS))

    def tell(self, probabilities: Iterable[float]) -> None:
        """How likely it is, after each of more frames, that the turn has ended."""
        self._newest.extend(probabilities)

    def forget(self) -> None:
        """Speech begins anew."""
        self._newest.clear()

    def wait_ms(self, longest_ms: int) -> int:
        """How much silence ends the turn by now."""
        newest = list(self._newest)
        for num_frames, least, wait_ms in WAITS:
            if len(newest) >= num_frames and min(newest[-num_frames:]) >= least:
                return min(wait_ms, longest_ms)
        return longest_ms


class TurnDetector:
    """Sound in pieces of any size in; starts, sound to hear and stops out."""

    def __init__(
        self,
        settings: ServerVad | SemanticVad,
        probability: SpeechProbability,
        *,
        max_turn_s: float,
        turn_end: TurnEnd | None = None,
    ) -> None:
        """`turn_end` is what a model makes of the sound that it is given from here.

        Raises:
            ValueError: If `semantic_vad` is asked of a model that reads no ends of turns.
        """
        if isinstance(settings, SemanticVad) and turn_end is None:
            raise ValueError("this model was not trained to tell the end of a turn; use server_vad with it")
        self.is_speaking = False
        self._turn_end = turn_end if isinstance(settings, SemanticVad) else None
        self._settings = settings
        self._threshold = settings.threshold if isinstance(settings, ServerVad) else SEMANTIC_THRESHOLD
        prefix_ms = settings.prefix_padding_ms if isinstance(settings, ServerVad) else SEMANTIC_PREFIX_MS
        self._probability = probability
        self._max_windows = max(1, int(max_turn_s * 1000) // WINDOW_MS)
        self._prefix: deque[Window] = deque(maxlen=prefix_ms // WINDOW_MS + START_WINDOWS)
        self._rest: Window = np.zeros(0, np.float32)
        self._quiet = Quiet()
        self._held: list[Window] = []
        self._num_windows = self._num_loud = self._num_silent = self._num_heard = self._num_given = 0

    @property
    def settings(self) -> ServerVad | SemanticVad:
        return self._settings

    def push(self, samples: Window) -> Iterator[Signal]:
        """What the new samples (16 kHz) tell; samples that fill no window wait for the next call."""
        for start in range(0, len(samples), WINDOW):
            yield from self._push(samples[start : start + WINDOW])

    def _push(self, samples: Window) -> Iterator[Signal]:
        """At most a window of sound."""
        if self._turn_end is not None:
            self._quiet.push(samples)
        begins = self._num_windows * WINDOW
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // WINDOW * WINDOW
        self._rest = samples[whole:]
        if whole:
            window = samples[:whole]
            self._num_windows += 1
            if self._turn_end is None:
                # With silero's windows, so that turns are the same whatever the pieces.
                self._quiet.push(window)
            probability = self._probability(window)
            follow = self._while_speaking if self.is_speaking else self._while_silent
            yield from follow(window, probability)
        if self._turn_end is not None and self.is_speaking:
            # The model hears at once what silero still collects for its next window.
            if len(fresh := samples[max(0, self._num_given - begins) :]):
                self._held.append(fresh)
                self._num_given = begins + len(samples)
            if self._held and self._quiet.lasts_ms <= HEARD_SILENCE_MS:
                yield Heard(np.concatenate(self._held))
                self._held = []
            yield from self.check()

    def check(self) -> Iterator[Signal]:
        """Whether the turn is over by what the model has said of it meanwhile."""
        if self._turn_end is None or not self.is_speaking:
            return
        assert isinstance(self._settings, SemanticVad)
        is_over = self.silence_ms >= self._turn_end.wait_ms(self._settings.max_wait_ms)
        if is_over or self._num_heard >= self._max_windows:
            yield self._stopped()

    def stop(self) -> Iterator[Signal]:
        """End a turn that is going on, whatever was heard last."""
        if self.is_speaking:
            yield self._stopped()

    @property
    def silence_ms(self) -> int:
        """For how long nobody has been heard by now."""
        return max(self._quiet.lasts_ms, self._num_silent * WINDOW_MS)

    def _while_silent(self, window: Window, probability: float) -> Iterator[Signal]:
        self._prefix.append(window)
        self._num_loud = self._num_loud + 1 if probability >= self._threshold else 0
        if self._num_loud >= START_WINDOWS:
            self.is_speaking = True
            self._num_silent, self._num_heard = 0, len(self._prefix)
            self._quiet.speech_began()
            if self._turn_end is not None:
                self._turn_end.forget()
                self._num_given = self._num_windows * WINDOW
            yield Started((self._num_windows - len(self._prefix)) * WINDOW_MS)
            yield Heard(trim_silence(np.concatenate(self._prefix), only_start=True))
            self._prefix.clear()

    def _while_speaking(self, window: Window, probability: float) -> Iterator[Signal]:
        self._num_heard += 1
        is_speech = probability >= self._threshold - HYSTERESIS
        self._num_silent = 0 if is_speech else self._num_silent + 1
        if not isinstance(self._settings, ServerVad):
            return
        self._held.append(window)
        if is_speech:
            yield Heard(np.concatenate(self._held))
            self._held = []
        # Both must say so: a soft end of a word is quiet, and to silero still speech.
        is_silent = self._num_silent > 0 and self.silence_ms >= self._settings.silence_duration_ms
        if is_silent or self._num_heard >= self._max_windows:
            yield self._stopped()

    def _stopped(self) -> Stopped:
        if self._turn_end is None:
            self._prefix.extend(self._held)
        self.is_speaking, self._held, self._num_loud = False, [], 0
        return Stopped(self._num_windows * WINDOW_MS)
