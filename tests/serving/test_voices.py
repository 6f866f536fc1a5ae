"""Voices: pieces equal the whole, pitch and tempo change alone, and the model's own voice is untouched."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from omniloom.serving.voices import PITCH, VOICES, SpokenVoice, require_voice

FROM_HZ, TO_HZ = 16_000, 24_000
TONE_HZ = 200


@pytest.fixture
def tone() -> np.ndarray:
    return (0.3 * np.sin(np.arange(2 * FROM_HZ) * 2 * np.pi * TONE_HZ / FROM_HZ)).astype(np.float32)


def spoken(samples: np.ndarray, *, piece: int, voice: str, speed: float) -> np.ndarray:
    said = SpokenVoice(voice, speed, from_hz=FROM_HZ, to_hz=TO_HZ)
    pieces = [said.push(samples[start : start + piece]) for start in range(0, len(samples), piece)]
    return np.concatenate([*pieces, said.flush()])


@pytest.mark.parametrize("voice", PITCH)
@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("piece", [640, 999])
def test_pieces_equal_the_whole(tone: np.ndarray, voice: str, speed: float, piece: int) -> None:
    whole = spoken(tone, piece=len(tone), voice=voice, speed=speed)
    np.testing.assert_array_equal(spoken(tone, piece=piece, voice=voice, speed=speed), whole)


@pytest.mark.parametrize("voice", PITCH)
@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 1.5, 4.0])
def test_speed_changes_the_length_and_the_voice_the_pitch(tone: np.ndarray, voice: str, speed: float) -> None:
    found = spoken(tone, piece=640, voice=voice, speed=speed)
    # atempo works in windows of 64 ms of its input, and may keep back or add one at either end.
    assert found.size / TO_HZ == pytest.approx(2 / speed, abs=2 * 0.064 / min(speed, 1))
    pitch_hz = np.abs(np.fft.rfft(found)).argmax() * TO_HZ / found.size
    # As near as a spectrum of this length tells, and the joins of the windows.
    assert pitch_hz == pytest.approx(TONE_HZ * float(PITCH[voice]), abs=2 * TO_HZ / found.size)


def test_the_own_voice_is_resampled_and_nothing_else(tone: np.ndarray) -> None:
    stream = soxr.ResampleStream(FROM_HZ, TO_HZ, 1, dtype="float32", quality="MQ")
    expected = stream.resample_chunk(tone, last=True)
    np.testing.assert_array_equal(spoken(tone, piece=640, voice="loom", speed=1), expected)
    same = SpokenVoice(from_hz=FROM_HZ, to_hz=FROM_HZ)
    assert same.push(tone) is tone and same.flush().size == 0


def test_names_of_other_clients_are_the_own_voice(tone: np.ndarray) -> None:
    own = spoken(tone, piece=640, voice="loom", speed=1)
    for voice in set(VOICES) - set(PITCH):
        np.testing.assert_array_equal(spoken(tone, piece=640, voice=voice, speed=1), own)


def test_nothing_in_nothing_out() -> None:
    for voice in PITCH:
        said = SpokenVoice(voice, 1.5, from_hz=FROM_HZ, to_hz=TO_HZ)
        assert said.push(np.zeros(0, np.float32)).size == 0
        assert said.flush().size == 0


@pytest.mark.parametrize(("voice", "speed", "message"), [("darth", 1, "voices are loom"), ("loom", 5, "0.25 to 4")])
def test_what_is_not_there_is_refused(voice: str, speed: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_voice(voice, speed)
