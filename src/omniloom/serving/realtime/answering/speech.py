"""A reply's speech on its way out: the model's samples, in the listener's voice, speed and format."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.media import encode_sound, rate_of
from omniloom.serving.voices import SpokenVoice


class OutgoingSpeech:
    """Samples of the model in, base64 of the wire's format out; the samples sent are counted."""

    def __init__(self, audio_format: p.AudioFormat, *, voice: str, speed: float, from_hz: int) -> None:
        self._format = audio_format
        self._rate_hz = rate_of(audio_format)
        self._voice = SpokenVoice(voice, speed, from_hz=from_hz, to_hz=self._rate_hz)
        self._num_samples = 0

    @property
    def lasts_ms(self) -> float:
        """How long it takes to play what was sent."""
        return self._num_samples * 1000 / self._rate_hz

    def push(self, samples: Float32[np.ndarray, " N"]) -> str:
        """What can be sent now; "" where that is nothing."""
        return self._encoded(self._voice.push(samples))

    def flush(self) -> str:
        """What the voice's filters still held."""
        return self._encoded(self._voice.flush())

    def _encoded(self, samples: Float32[np.ndarray, " N"]) -> str:
        self._num_samples += samples.size
        return encode_sound(samples, self._format) if samples.size else ""

    def whole(self, samples: Float32[np.ndarray, " N"]) -> str:
        """All of a speech at once."""
        spoken = np.concatenate([self._voice.push(samples), self._voice.flush()])
        return encode_sound(spoken, self._format)
