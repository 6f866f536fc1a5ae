"""When turns start and stop, what of them is heard, and that the pieces of sound that come make no difference."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from omniloom.serving.realtime.protocol import ServerVad
from omniloom.serving.realtime.silence import trim_silence
from omniloom.serving.realtime.turns import WINDOW, Heard, Started, Stopped, TurnDetector, silero

MS = 16


def sound_of(*lengths_ms):
    """Silence and a tone in turns, beginning with silence."""
    pieces = [
        np.full(ms * MS, 0.0) if number % 2 == 0 else 0.5 * np.sin(np.arange(ms * MS) * 0.3)
        for number, ms in enumerate(lengths_ms)
    ]
    return np.concatenate(pieces).astype(np.float32)


def detector(**settings):
    max_turn_s = settings.pop("max_turn_s", 30)
    vad = ServerVad(type="server_vad", **settings)
    return TurnDetector(vad, lambda window: float(np.abs(window).max() > 0.1), max_turn_s=max_turn_s)


def follow(signals):
    """Times of starts and stops, and the sound of each turn."""
    marks, turns = [], []
    for signal in signals:
        if isinstance(signal, Heard):
            turns[-1].append(signal.samples)
        else:
            marks.append(signal)
            if isinstance(signal, Started):
                turns.append([])
    return marks, [np.concatenate(turn) for turn in turns]


@pytest.mark.parametrize("piece", [160, 480, 512, 7777])
def test_pieces_and_whole_give_the_same_turns(piece):
    sound = sound_of(640, 800, 960, 640, 1200)
    whole = follow(detector().push(sound))
    listening = detector()
    pieces = [
        signal for start in range(0, len(sound), piece) for signal in listening.push(sound[start : start + piece])
    ]
    marks, turns = follow(pieces)
    assert marks == whole[0] and len(turns) == 2
    for turn, expected in zip(turns, whole[1], strict=True):
        np.testing.assert_array_equal(turn, expected)


def test_a_pause_shorter_than_the_silence_asked_for_stays_inside_the_turn():
    sound = sound_of(640, 640, 320, 640, 1000)
    marks, turns = follow(detector(silence_duration_ms=500).push(sound))
    assert [type(mark) for mark in marks] == [Started, Stopped]
    assert 1600 <= len(turns[0]) / MS <= 1600 + 40 + 32
    marks, _ = follow(detector(silence_duration_ms=200).push(sound))
    assert [type(mark) for mark in marks] == [Started, Stopped, Started, Stopped]


def test_a_single_loud_window_starts_nothing():
    sound = np.zeros(WINDOW * 10, np.float32)
    sound[WINDOW * 4 : WINDOW * 5] = 0.5
    assert list(detector().push(sound)) == []


def test_endless_speech_is_cut_into_turns():
    marks, turns = follow(detector(max_turn_s=1).push(sound_of(0, 3200)))
    assert [type(mark) for mark in marks[:3]] == [Started, Stopped, Started]
    assert all(len(turn) / MS <= 1000 for turn in turns)


def test_trimming_keeps_what_is_loud_and_a_margin():
    sound = sound_of(700, 400, 300)
    assert 480 <= len(trim_silence(sound)) / MS <= 490
    assert 740 <= len(trim_silence(sound, only_start=True)) / MS <= 750
    np.testing.assert_array_equal(trim_silence(sound[: 50 * MS]), sound[: 50 * MS])
    assert len(trim_silence(np.zeros(16_000, np.float32))) == 16_000


def test_silero_hears_every_digit_of_people_and_none_in_a_quiet_room():
    """Twenty recordings of every speaker there is, a second of faint noise around each."""
    data = os.environ.get("OMNILOOM_DATA")
    folder = Path(data, "fsdd", "recordings") if data else None
    if folder is None or not folder.is_dir():
        pytest.skip("OMNILOOM_DATA does not name a folder with fsdd/recordings")
    random = np.random.default_rng(0)
    probability = silero()
    heard = []
    for path in sorted(folder.glob("*_1.wav"))[:40]:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        assert rate_hz == 8000
        spoken = np.repeat(samples, 2)  # a crude way to 16 kHz, good enough to be speech
        room = random.normal(0, 1e-3, 16_000)
        sound = np.concatenate([room, 0.7 * spoken / np.abs(spoken).max(), room]).astype(np.float32)
        sound += random.normal(0, 1e-3, len(sound)).astype(np.float32)
        listening = TurnDetector(ServerVad(type="server_vad"), probability, max_turn_s=30)
        marks, turns = follow(listening.push(sound))
        heard.append(len(turns) == 1 and 0.5 * len(spoken) <= len(turns[0]) <= len(spoken) + 0.3 * 16_000)
        assert all(mark.at_ms > 600 for mark in marks)
    assert np.mean(heard) >= 0.95, np.mean(heard)
