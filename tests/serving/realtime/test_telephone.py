"""Speech over a telephone ends when it would in PCM: the shipped model, its detector, people and voices."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import numpy as np
import pytest

from omniloom.core.randomness import generator
from omniloom.data.problems import DigitsProblem
from omniloom.data.problems.turns import aloud
from omniloom.generation import Omni
from omniloom.serving import g711
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.media import MODEL_RATE_HZ, decode_sound, encode_sound, rate_of, to_audio
from omniloom.serving.realtime.turns import Heard, Silero, Stopped, TurnDetector, TurnEnd
from omniloom.serving.realtime.turns.detector import WAITS
from omniloom.serving.voices import Resampler
from omniloom.stream.parts import Audio

LEAD_S, TAIL_S = 0.3, 2.0
PIECE_MS = 20
LESS_SURE_MS = WAITS[1][2] - WAITS[0][2] + PIECE_MS
"""Coded sound is a little other sound, of whose end the model may be less sure: then the next wait is waited out."""


@pytest.fixture(scope="module")
def tiny() -> Omni:
    return Omni.load("tiny")


def sounds() -> Iterator[Audio]:
    """With what a telephone carries of them, so that nothing but the line differs."""
    for words in ("say red circle", "what is four plus five"):
        yield aloud(words, generator("on the telephone", words), "new")[0].resampled(g711.RATE_HZ)
    try:
        examples = [DigitsProblem().example("new", number, "digit_audio") for number in range(3)]
    except (ValueError, OSError):  # People's recordings are not everywhere.
        return
    for example in examples:
        (sound,) = example.prompt[-1].parts
        assert isinstance(sound, Audio)
        yield sound.resampled(g711.RATE_HZ)


def ends_at_ms(omni: Omni, sound: Audio, audio_format: p.AudioFormat) -> int:
    """When a turn ends that has digital silence around it; the first end, where there are several."""
    rate_hz = rate_of(audio_format)
    said = sound.resampled(rate_hz).samples.numpy()
    samples = np.pad(0.3 * said / np.abs(said).max(), (round(LEAD_S * rate_hz), round(TAIL_S * rate_hz)))
    turn_end, resampler, conversation = TurnEnd(), Resampler(rate_hz, MODEL_RATE_HZ), omni.conversation()
    detector = TurnDetector(p.SemanticVad(), Silero(), max_turn_s=30, turn_end=turn_end)
    piece = rate_hz * PIECE_MS // 1000
    for start in range(0, len(samples) - piece + 1, piece):
        coded = encode_sound(samples[start : start + piece].astype(np.float32), audio_format)
        for signal in detector.push(resampler.push(decode_sound(coded, audio_format, param="audio"))):
            if isinstance(signal, Heard):
                turn_end.tell(conversation.hear(to_audio(signal.samples)))
            elif isinstance(signal, Stopped):
                return 1000 * (start + piece) // rate_hz
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize("audio_format", [p.PcmaFormat(), p.PcmuFormat()], ids=lambda format: format.type)
def test_a_silent_line_ends_a_turn_as_silence_in_pcm_does(tiny: Omni, audio_format: p.AudioFormat) -> None:
    for sound in sounds():
        expected = ends_at_ms(tiny, sound, p.PcmFormat())
        assert abs(ends_at_ms(tiny, sound, audio_format) - expected) <= LESS_SURE_MS


@pytest.mark.parametrize("code", [0x55, 0xD5])
def test_both_values_beside_zero_are_silence_in_a_law_and_the_next_are_not(code: int) -> None:
    def heard(value: int) -> np.ndarray:
        return decode_sound(base64.b64encode(bytes([value] * 8)).decode(), p.PcmaFormat(), param="audio")

    assert not heard(code).any()
    assert np.abs(heard(code ^ 0x01)).min() == 24 / 32768
