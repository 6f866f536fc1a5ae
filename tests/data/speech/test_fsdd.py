"""Spoken digits: the splits share no take, and augmentation is repeatable."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from omniloom.data.speech import fsdd
from omniloom.stream.parts import Audio, TimedWord


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A stand-in mirror with every file of the real one, all the same short noise."""
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, 400).astype(np.float32))
    sound = Audio(noise, 8000).to_bytes()
    for speaker in fsdd.SPEAKERS:
        for digit in range(10):
            for take in range(fsdd.NUM_TAKES):
                (folder / f"{digit}_{speaker}_{take}.wav").write_bytes(sound)
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path))
    return folder


def test_splits_are_whole_and_share_no_take(mirror):
    train, new = fsdd.recordings("train"), fsdd.recordings("new")
    assert (len(train), len(new)) == (4 * 10 * 42, 4 * 10 * 8)
    assert not {item.path for item in train} & {item.path for item in new}
    assert {item.take for item in new} == set(range(8))
    assert {item.digit for item in new} == set(range(10))


def test_load_reads_the_file(mirror):
    recording = fsdd.recordings("new")[3]
    audio = fsdd.load(recording)
    assert audio.rate_hz == 8000
    assert torch.equal(audio.samples, Audio.open(recording.path).samples)


def test_a_missing_recording_is_named(mirror):
    (mirror / "3_jackson_9.wav").unlink()
    with pytest.raises(ValueError, match="3_jackson_9"):
        fsdd.recordings("train")


def test_an_unknown_split_is_refused(mirror):
    with pytest.raises(ValueError, match="'train' or 'new', got 'test'"):
        fsdd.recordings("test")


def test_speech_ends_where_it_falls_silent():
    tone = torch.sin(torch.arange(8000) * 0.3)
    tone[4000:] *= 0.01  # 40 dB below
    assert fsdd.speech_end_s(Audio(tone, 8000)) == pytest.approx(0.5, abs=0.01)
    tone[6000:6400] = 0.05  # 26 dB below the first tone's peak
    assert fsdd.speech_end_s(Audio(tone, 8000)) == pytest.approx(0.8, abs=0.01)


def test_augmenting_keeps_the_end_of_speech():
    tone = torch.sin(torch.arange(8000) * 0.3)
    tone[4000:] = 0
    spoken = Audio(tone, 8000, words=(TimedWord("one", 0.0, 0.5),))
    for seed in range(20):
        heard = fsdd.augmented(spoken, np.random.default_rng(seed))
        end = round(heard.speech_end_s * heard.rate_hz)
        assert [(word.text, word.end_s) for word in heard.words] == [("one", pytest.approx(heard.speech_end_s))], seed
        level = heard.samples.square()
        assert level[end - 800 : end].mean() > 4 * level[end + 1600 :].mean(), seed


def test_augmented_is_repeatable_and_within_its_bounds():
    audio = Audio(torch.sin(torch.arange(4000) * 0.3), 8000)
    for seed in range(20):
        one = fsdd.augmented(audio, np.random.default_rng(seed))
        two = fsdd.augmented(audio, np.random.default_rng(seed))
        assert torch.equal(one.samples, two.samples)
        assert one.rate_hz == 16_000
        assert 0.5 / 1.26 <= one.duration_s <= 0.5 / 0.79 + 0.061
        assert 0.099 <= one.samples.abs().max() <= 0.951


NONE = fsdd.Augmentation(speed=False, tilt=False, room=False, offset=False, noise=False, gain=False)


def test_each_augmentation_can_be_left_out():
    """Without any, the recording comes back; each one alone changes it for some seed, and in its own way."""
    audio = Audio(0.5 * torch.sin(torch.arange(8000) * 0.3), 16_000)
    assert torch.equal(fsdd.augmented(audio, np.random.default_rng(0), NONE).samples, audio.samples)
    for field in dataclasses.fields(NONE):
        one = dataclasses.replace(NONE, **{field.name: True})
        changed = [fsdd.augmented(audio, np.random.default_rng(seed), one) for seed in range(8)]
        assert any(
            sound.samples.shape != audio.samples.shape or not torch.equal(sound.samples, audio.samples)
            for sound in changed
        ), field.name
        if field.name not in ("speed", "offset"):
            assert {sound.duration_s for sound in changed} == {audio.duration_s}
