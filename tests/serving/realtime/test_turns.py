"""When turns start and stop, what of them is heard, and that the pieces of sound that come make no difference."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from omniloom.serving.realtime.protocol import SemanticVad, ServerVad
from omniloom.serving.realtime.turns import Heard, Silero, Started, Stopped, TurnDetector, TurnEnd, trim_silence
from omniloom.serving.realtime.turns.detector import HEARD_SILENCE_MS, WAITS
from omniloom.serving.realtime.turns.silence import Quiet
from omniloom.serving.realtime.turns.silero import WINDOW

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


def ends_of(sound, *, says, piece=320, eagerness="auto", max_turn_s=30):
    """What a detector tells with a model that says of every piece it hears how likely the turn's end is."""
    turn_end = TurnEnd()
    listening = TurnDetector(
        SemanticVad(eagerness=eagerness),
        lambda window: float(np.abs(window).max() > 0.1),
        max_turn_s=max_turn_s,
        turn_end=turn_end,
    )
    found = []
    for start in range(0, len(sound), piece):
        for signal in listening.push(sound[start : start + piece]):
            found.append(signal)
            if isinstance(signal, Heard):
                turn_end.tell([says(signal.samples)])
        found += listening.check()
    return follow(found)


def in_silence(probability):
    return lambda heard: probability * float(np.abs(heard).max() < 0.1)


@pytest.mark.parametrize(("probability", "wait_ms"), [*(wait[1:] for wait in WAITS), (0.05, 4_000)])
def test_the_surer_the_model_the_shorter_the_wait(probability, wait_ms):
    (started, stopped), (turn,) = ends_of(sound_of(640, 800, 4_800), says=in_silence(probability))
    # A piece of 20 ms more at most until it is seen, and times are told in windows.
    assert isinstance(started, Started) and 1440 + wait_ms - 32 <= stopped.at_ms <= 1440 + wait_ms + 20 + 32
    heard_ms = min(wait_ms, HEARD_SILENCE_MS)  # silence too, but no longer one than in training
    assert 800 + heard_ms <= len(turn) / MS <= 800 + heard_ms + 40 + 20 + 32


def test_silence_that_was_held_back_from_the_model_is_given_when_speech_resumes():
    marks, (turn,) = ends_of(sound_of(640, 800, 1_500, 400, 4_800), says=lambda heard: 0.0)
    assert [type(mark) for mark in marks] == [Started, Stopped]
    expected_ms = 800 + 1_500 + 400 + HEARD_SILENCE_MS
    assert expected_ms <= len(turn) / MS <= expected_ms + 40 + 20 + 32


@pytest.mark.parametrize(
    ("eagerness", "wait_ms"), [("low", 8_000), ("medium", 4_000), ("auto", 4_000), ("high", 2_000)]
)
def test_eagerness_bounds_the_wait_for_a_model_that_expects_more(eagerness, wait_ms):
    (_, stopped), _ = ends_of(sound_of(640, 800, 9_000), says=lambda heard: 0.0, eagerness=eagerness)
    assert 1440 + wait_ms - 32 <= stopped.at_ms <= 1440 + wait_ms + 32


def test_a_model_that_is_told_of_all_the_sound_at_once_is_still_asked():
    """The client sends everything and then nothing; the model's word comes after the last of it."""
    turn_end = TurnEnd()
    listening = TurnDetector(
        SemanticVad(), lambda window: float(np.abs(window).max() > 0.1), max_turn_s=30, turn_end=turn_end
    )
    assert not any(isinstance(signal, Stopped) for signal in listening.push(sound_of(640, 800, 960)))
    turn_end.tell([1.0])
    assert [type(signal) for signal in listening.check()] == [Stopped]
    assert list(listening.check()) == []


@pytest.mark.parametrize("piece", [160, 320, 512, 700])
def test_whatever_the_pieces_the_model_hears_every_sample_once_and_no_empty_one(piece):
    sound = sound_of(640, 800, 200, 400, 4_800)
    listening = TurnDetector(
        SemanticVad(), lambda window: float(np.abs(window).max() > 0.1), max_turn_s=30, turn_end=TurnEnd()
    )
    pieces = [sound[start : start + piece] for start in range(0, len(sound), piece)]
    signals = [signal for samples in pieces for signal in listening.push(samples)]
    heard = [signal.samples for signal in signals if isinstance(signal, Heard)]
    assert min(map(len, heard)) > 0
    whole = np.concatenate(heard)
    first = int(np.flatnonzero(sound)[0]) - int(np.flatnonzero(whole)[0])
    np.testing.assert_array_equal(whole, sound[first : first + len(whole)])


def test_a_few_doubtful_frames_are_not_enough():
    doubts = itertools.cycle([0.5, 0.5, 0.5, 0.0])
    (_, stopped), _ = ends_of(sound_of(640, 800, 4_800), says=lambda heard: next(doubts))
    assert stopped.at_ms >= 1440 + 4_000 - 32


def test_a_model_alone_does_not_end_a_turn_in_the_middle_of_speech():
    marks, _ = ends_of(sound_of(640, 1600, 960), says=lambda heard: 1.0)
    assert [type(mark) for mark in marks] == [Started, Stopped]
    assert marks[1].at_ms >= 640 + 1600 + WAITS[0][2] - 32


def test_server_vad_waits_out_its_silence_whatever_the_model_says():
    turn_end = TurnEnd()
    turn_end.tell([1.0])
    settings = ServerVad(silence_duration_ms=500)
    listening = TurnDetector(settings, lambda w: float(np.abs(w).max() > 0.1), max_turn_s=30, turn_end=turn_end)
    assert follow(listening.push(sound_of(640, 800, 960)))[0] == follow(detector().push(sound_of(640, 800, 960)))[0]


def test_semantic_vad_needs_a_model_that_reads_ends():
    with pytest.raises(ValueError, match="server_vad"):
        TurnDetector(SemanticVad(), lambda window: 0.0, max_turn_s=30)


def test_endless_speech_is_cut_with_semantic_vad_too_and_no_sound_is_lost():
    marks, turns = ends_of(sound_of(0, 3200), says=lambda heard: 0.0, max_turn_s=1)
    assert [type(mark) for mark in marks[:3]] == [Started, Stopped, Started]
    assert all(960 <= len(turn) / MS <= 1000 + 32 for turn in turns[:2])


@pytest.mark.parametrize("piece", [160, 320, 999])
def test_silence_lasts_as_long_whatever_the_pieces(piece):
    sound = sound_of(300, 400, 250)
    quiet = Quiet()
    for start in range(0, len(sound), piece):
        quiet.push(sound[start : start + piece])
        if start <= 500 * MS < start + piece:
            quiet.speech_began()
    assert 240 <= quiet.lasts_ms <= 250


def test_a_louder_room_is_no_voice():
    random = np.random.default_rng(0)
    sound = sound_of(1000, 600, 400) + 0.03 * random.standard_normal(2000 * MS).astype(np.float32)
    quiet = Quiet()
    quiet.push(sound)
    assert 380 <= quiet.lasts_ms <= 400


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
    probability = Silero()
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
