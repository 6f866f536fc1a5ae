"""Sound that comes in: buffered for a commit, or listened to, so that turns begin and end by themselves.

While someone speaks, what is heard goes to the model at once, so an answer starts with nothing left to read. How long
nobody has spoken is counted on the microphone's clock, in samples that came: no timer and no thread waits for it, and
a client that sends faster than it hears is not mistaken for a silent one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.core import SessionCore
from omniloom.serving.realtime.limits import RequestError
from omniloom.serving.realtime.media import MODEL_RATE_HZ, decode_sound, rate_of, to_audio
from omniloom.serving.realtime.turns import (
    Heard,
    Signal,
    SpeechProbability,
    Started,
    TurnDetector,
    TurnEnd,
    trim_silence,
)
from omniloom.serving.voices import Resampler
from omniloom.stream.parts import Audio

EMPTY_TURN_S = 0.4
"""Of the silence that an idle timeout makes an item of, what the model hears: it has learned none of half a minute."""


class Listener(Protocol):
    """What hearing makes happen elsewhere in the session."""

    def speech_began(self) -> None:
        """Speech may interrupt an answer."""

    def turn_ended(self, item_id: str, sound: Audio | None, *, wants_answer: bool) -> None:
        """A turn became an item; its sound, where it was not given while it was heard."""

    @property
    def is_answering(self) -> bool: ...


class Hearing:
    """The input buffer of one session, and its ear."""

    def __init__(
        self,
        core: SessionCore,
        listener: Listener,
        *,
        new_probability: Callable[[], SpeechProbability],
        turn_end: TurnEnd | None,
        check_turn_end: Callable[[], None],
    ) -> None:
        """`check_turn_end` is called in the model's thread after it has said more of the end of a turn."""
        self._core = core
        self._listener = listener
        self._new_probability = new_probability
        self._turn_end = turn_end
        self._check_turn_end = check_turn_end
        self._detector: TurnDetector | None = None
        self._detector_from_ms = 0
        self._speech_item_id = ""
        self._num_samples = 0
        self._idle_from_ms: float | None = None
        self.restart()

    @property
    def heard_ms(self) -> float:
        """How much sound has come since the session began, on the microphone's clock."""
        return self._num_samples * 1000 / MODEL_RATE_HZ

    def restart(self) -> None:
        """Forget what is buffered."""
        self._resampler = Resampler(rate_of(self._settings.format), MODEL_RATE_HZ)
        self._buffer: list[np.ndarray] = []
        self._buffered_s = 0.0

    def note_answer(self, *, plays_until_ms: float) -> None:
        """An answer has ended, and will have been played by then: from there on nobody speaks until somebody does."""
        self._idle_from_ms = max(self.heard_ms, plays_until_ms)

    def change_settings(self, before: p.AudioInput) -> None:
        """Listen by new settings; a turn that is going on ends where listening itself changes."""
        after = self._settings
        if (after.turn_detection, after.format) != (before.turn_detection, before.format):
            for signal in self._detector.stop() if self._detector is not None else ():
                self._follow(signal, may_answer=False)
            self._detector = None
            self.restart()

    def append(self, event: p.InputAudioBufferAppend) -> None:
        settings = self._settings
        samples = decode_sound(event.audio, settings.format, param="audio")
        rate_hz = rate_of(settings.format)
        lasts_s = len(samples) / rate_hz
        waiting_s = lasts_s if settings.turn_detection else self._buffered_s + lasts_s
        if waiting_s > self._core.limits.audio_s:
            raise RequestError(
                f"the buffer would hold {waiting_s:.1f} s, at most {self._core.limits.audio_s:.0f} s are taken; this "
                "piece was dropped: commit or clear first",
                code="input_audio_buffer_full",
                param="audio",
            )
        samples = self._resampler.push(samples)
        began_ms = round(self.heard_ms)
        self._num_samples += len(samples)
        if settings.turn_detection is None:
            self._buffered_s = waiting_s
            self._buffer.append(samples)
            return
        if self._detector is None:
            self._detector, self._detector_from_ms = self._new_detector(settings.turn_detection), began_ms
        for signal in self._detector.push(samples):
            self._follow(signal, may_answer=True)
        self._check_idle(settings.turn_detection)

    def check(self) -> None:
        """End the turn if it is over by what the model has said meanwhile."""
        for signal in self._detector.check() if self._detector is not None else ():
            self._follow(signal, may_answer=True)

    def commit(self) -> None:
        if self._detector is not None and self._detector.is_speaking:
            for signal in self._detector.stop():
                self._follow(signal, may_answer=False)  # Who commits asks for the answer, too.
            return
        heard_ms = round(self._buffered_s * 1000, 3)
        if heard_ms < self._core.limits.min_commit_ms:
            raise RequestError(
                f"the buffer holds {heard_ms:.0f} ms of sound, at least {self._core.limits.min_commit_ms} ms are "
                "needed",
                code="input_audio_buffer_commit_empty",
            )
        samples = np.concatenate([*self._buffer, self._resampler.flush()])
        self.restart()
        self._end_turn(p.new_id("item"), to_audio(trim_silence(samples)), wants_answer=False)

    def clear(self) -> None:
        if self._detector is not None and self._detector.is_speaking:
            self._core.submit(self._core.memory.drop_hearing)
        self._detector = None
        self.restart()
        self._core.emit(p.InputAudioBufferCleared())

    @property
    def _settings(self) -> p.AudioInput:
        return self._core.settings.audio.input

    def _new_detector(self, settings: p.TurnDetection) -> TurnDetector:
        try:
            return TurnDetector(
                settings, self._new_probability(), max_turn_s=self._core.limits.audio_s, turn_end=self._turn_end
            )
        except ValueError as error:
            raise RequestError(str(error), code="turn_detection_unavailable") from error

    def _follow(self, signal: Signal, *, may_answer: bool) -> None:
        """Act on what the turn detector heard."""
        assert self._detector is not None
        settings = self._detector.settings
        if isinstance(signal, Started):
            self._idle_from_ms = None
            self._speech_item_id = p.new_id("item")
            start_ms = self._detector_from_ms + signal.at_ms
            self._core.emit(p.SpeechStarted(audio_start_ms=start_ms, item_id=self._speech_item_id))
            if settings.interrupt_response:
                self._listener.speech_began()
        elif isinstance(signal, Heard):
            self._hear(to_audio(signal.samples))
        else:
            end_ms = self._detector_from_ms + signal.at_ms
            self._core.emit(p.SpeechStopped(audio_end_ms=end_ms, item_id=self._speech_item_id))
            self._end_turn(self._speech_item_id, None, wants_answer=may_answer and settings.create_response)

    def _hear(self, audio: Audio) -> None:
        """Have the model hear a piece of speech that goes on."""

        def hear() -> None:
            ends = self._core.memory.hear(audio)
            if self._turn_end is not None and ends:
                self._turn_end.tell(ends)
                self._check_turn_end()

        self._core.submit(hear, num_bytes=audio.samples.nbytes)

    def _end_turn(self, item_id: str, sound: Audio | None, *, wants_answer: bool) -> None:
        self._idle_from_ms = None
        self._core.emit(p.InputAudioBufferCommitted(previous_item_id=self._core.items.last_id, item_id=item_id))
        self._core.announce(p.UserMessage(id=item_id, content=[p.InputAudio()]))
        self._core.drop_overflow()
        self._listener.turn_ended(item_id, sound, wants_answer=wants_answer)

    def _check_idle(self, settings: p.TurnDetection) -> None:
        """Make an item of a silence that lasts too long, and have it answered."""
        assert self._detector is not None
        timeout_ms = settings.idle_timeout_ms if isinstance(settings, p.ServerVad) else None
        idle_from_ms = self._idle_from_ms
        if timeout_ms is None or idle_from_ms is None or self._detector.is_speaking or self._listener.is_answering:
            return
        if self.heard_ms - idle_from_ms < timeout_ms:
            return
        item_id = p.new_id("item")
        self._core.emit(
            p.InputAudioBufferTimeoutTriggered(
                audio_start_ms=int(idle_from_ms), audio_end_ms=int(self.heard_ms), item_id=item_id
            )
        )
        silence = to_audio(np.zeros(int(EMPTY_TURN_S * MODEL_RATE_HZ), np.float32))
        self._end_turn(item_id, silence, wants_answer=True)
