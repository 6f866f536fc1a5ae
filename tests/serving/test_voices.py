"""Voices: pieces equal the whole, pitch and tempo change alone, and the model's own voice is untouched."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from omniloom.serving.voices import PITCH, VOICES, Resampler, SpokenVoice, require_voice

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
    expected = Resampler(FROM_HZ, TO_HZ).push(tone, is_last=True)
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


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(24_000, 16_000), (16_000, 24_000), (8_000, 16_000), (16_000, 8_000), (24_000, 8_000)]
)
def test_a_rate_is_changed_at_once_and_nothing_is_added_or_lost(from_hz: int, to_hz: int) -> None:
    stream, lower_hz = Resampler(from_hz, to_hz), min(from_hz, to_hz)
    seconds = np.arange(from_hz) / from_hz
    for tone_hz in (0.02 * lower_hz, 0.2 * lower_hz, 0.42 * lower_hz):
        stream, given, found = Resampler(from_hz, to_hz), 0, []
        sound = (0.5 * np.sin(2 * np.pi * tone_hz * seconds)).astype(np.float32)
        for start in range(0, from_hz, from_hz // 50):
            found.append(stream.push(sound[start : start + from_hz // 50]))
            given += from_hz // 50
            # Half of 64 taps, and the sample that the next output would need.
            assert given / from_hz - sum(map(len, found)) / to_hz <= 34 / lower_hz
        whole = np.concatenate([*found, stream.flush()])
        expected = 0.5 * np.sin(2 * np.pi * tone_hz * np.arange(to_hz) / to_hz)
        inside = slice(to_hz // 10, -to_hz // 10)
        assert np.abs(whole[inside] - expected[inside]).max() < 5e-4  # 60 dB below it
    if from_hz > to_hz:  # What the lower rate cannot hold is gone, and is not heard as another tone.
        above = (0.5 * np.sin(2 * np.pi * 0.56 * to_hz * seconds)).astype(np.float32)
        assert np.abs(Resampler(from_hz, to_hz).push(above, is_last=True)[to_hz // 10 : -to_hz // 10]).max() < 5e-4


def test_filters_start_no_threads() -> None:
    """FFmpeg starts one for each core, for each chain: a session would hold them for as long as it lasts."""
    before = len(os.listdir("/proc/self/task"))
    kept = [SpokenVoice("loom-low", 1.5, from_hz=FROM_HZ, to_hz=TO_HZ) for _ in range(4)]
    assert len(os.listdir("/proc/self/task")) == before
    del kept


def test_a_session_does_not_keep_room_for_the_longest_piece_it_was_sent() -> None:
    """A filter's buffers only grow, so a turn sent at once would hold a megabyte until its session ends."""
    two_seconds = np.zeros(2 * TO_HZ, np.float32)
    Resampler(TO_HZ, FROM_HZ).push(two_seconds)
    before = private_bytes()
    kept = [Resampler(TO_HZ, FROM_HZ) for _ in range(40)]
    for resampler in kept:
        resampler.push(two_seconds)
    assert (private_bytes() - before) / len(kept) < 400_000


def private_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
