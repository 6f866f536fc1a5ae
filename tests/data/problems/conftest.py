"""Stand-ins that keep these tests offline and quick: recordings of tones, voices that hum, made-up emoji."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.support.emoji import made_up_emoji

from omniloom.data.problems import digits, turns
from omniloom.data.speech import fsdd
from omniloom.data.speech.synthesis import Spoken
from omniloom.stream.parts import Audio, Text


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shaped like FSDD's, in which each digit is a tone."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "fsdd" / "recordings").mkdir(parents=True)
    for digit in range(10):
        sound = 0.3 * np.sin(2 * np.pi * (200 + 50 * digit) * np.arange(1600) / 8000)
        for speaker in fsdd.SPEAKERS:
            for take in range(fsdd.NUM_TAKES):
                name = f"{digit}_{speaker}_{take}.wav"
                soundfile.write(folder / "fsdd" / "recordings" / name, sound, 8000)
    return folder


@pytest.fixture
def digits_at_hand(tones: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMNILOOM_DATA", str(tones))
    digits._recordings.cache_clear()
    yield
    digits._recordings.cache_clear()


@pytest.fixture
def emoji_at_hand():
    with made_up_emoji():
        yield


@pytest.fixture
def humming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody speaks: what is said does not matter to the facts of an example."""
    hum = Audio(0.1 * torch.ones(640), 16_000)
    monkeypatch.setattr(turns, "synthesize", lambda text, voice: Spoken(hum, ()))
    monkeypatch.setattr(
        turns, "speak_reply", lambda words, language: [part for word in words.split() for part in (Text(word), hum)]
    )
