"""The crowd: speakers by number, each always the same, said through espeak-ng without leaving anything behind."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import torch

from omniloom.data.problems.turns import aloud
from omniloom.data.speech._espeak import Espeak, Settings
from omniloom.data.speech.crowd import settings_of
from omniloom.data.speech.synthesis import TRAIN_VOICES, VOICES, Voice, synthesize

WORDS = "draw a big red circle at the top left"


def speaker(number: int, language: str = "en-us") -> Voice:
    return Voice(name=f"crowd{number}", language=language, number=number)


def said(number: int) -> torch.Tensor:
    return synthesize(WORDS, speaker(number)).audio.samples


def test_a_number_is_a_speaker():
    assert settings_of(7) == settings_of(7)
    assert len({settings_of(number).split("\n", 2)[2] for number in range(200)}) == 200


def test_settings_are_lines_that_espeak_reads():
    """A keyword that it does not know is passed over without a word, so they are those of its own variants."""
    own = Espeak()._data / "voices" / "!v"
    known = {line.split()[0] for path in own.iterdir() for line in path.read_text().splitlines() if line.strip()}
    assert {line.split()[0] for number in range(100) for line in settings_of(number).splitlines()} <= known


def test_speakers_differ_from_each_other_and_from_the_plain_voice_and_stay_the_same():
    first = [said(number) for number in range(4)]
    plain = synthesize(WORDS, Voice(name="plain", language="en-us")).audio.samples
    assert len({sound.numpy().tobytes() for sound in (*first, plain)}) == 5
    time.sleep(1.1)
    synthesize(WORDS, TRAIN_VOICES[0])
    assert all(torch.equal(said(number), first[number]) for number in range(4))


def test_words_are_timed_in_both_languages():
    for language, words in (("en-gb-scotland", WORDS), ("fr-be", "dessine un grand cercle rouge")):
        spoken = synthesize(words, speaker(11, language))
        assert [word.text for word in spoken.words] == words.split()
        assert float(spoken.audio.samples.abs().max()) > 0.02


def test_the_folder_goes_with_the_library_and_not_with_a_forked_child():
    library = Espeak()
    settings = Settings(voice="en-us", rate_wpm=180, pitch=50, pitch_range=50, word_gap=0, variant=settings_of(3))
    samples = library.speak(WORDS, settings).samples
    folder = library._linked
    assert folder is not None and folder.is_dir()
    child = os.fork()
    if child == 0:
        same = (library.speak("yes", settings).samples.size > 0) and library._linked != folder
        library._clean_up()  # what the end of an ordinary process does
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.is_dir() and (library.speak(WORDS, settings).samples == samples).all()
    library._clean_up()
    assert not folder.exists()


def test_half_of_what_is_said_in_training_is_said_by_the_crowd_and_nothing_else_is():
    random = np.random.default_rng(0)

    def voices(split, language):
        facts = (aloud("yes", random, split, language)[1] for _ in range(40))
        return [fact.removeprefix("voice:") for found in facts for fact in found if fact.startswith("voice:")]

    for language in ("en", "fr"):
        named = {voice.name for voice in VOICES[language]["train"]}
        found = voices("train", language)
        assert 8 <= sum(voice.startswith("crowd") for voice in found) <= 32
        assert all(voice.startswith("crowd") or voice in named for voice in found)
        for split in ("new", "composed"):
            assert set(voices(split, language)) <= {voice.name for voice in VOICES[language][split]}


def test_an_unknown_variant_is_still_refused():
    with pytest.raises(ValueError, match="no voice variant 'nobody'"):
        synthesize("yes", Voice(name="nobody", language="en-us", variant="nobody"))
