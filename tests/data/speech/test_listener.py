"""The listener: batched equals alone, saved equals loaded, loudness does not matter, and it learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from omniloom.core.randomness import seeded
from omniloom.core.state import equal_states
from omniloom.data.scenes import describe, random_scene
from omniloom.data.speech import listener_training
from omniloom.data.speech.listener import Listener, LogMel, stack_spectra
from omniloom.data.speech.listener_measure import edit_distance, heard, measure_listener
from omniloom.data.speech.listener_training import Course, ListenerTraining, disturbed, train_listener
from omniloom.data.speech.synthesis import ASSISTANT_VOICE, speak_reply, synthesize
from omniloom.data.speech.words import HEARD_WORDS, LANGUAGES, words_of
from omniloom.stream.parts import Audio

TINY = Listener.Config(words=("red", "water", "circle"), num_bands=24, width=32, dilations=(1, 2), dropout=0.0)


@pytest.fixture
def listener():
    with seeded("tiny listener"):
        return Listener(TINY).eval()


def noise(num_samples, seed=0):
    return Audio(0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed)), 16_000)


def test_batched_equals_alone(listener):
    spectra = [listener.log_mel(noise(size, seed=size).samples) for size in (3_000, 9_999, 16_000)]
    with torch.inference_mode():
        together, num_frames = listener(*stack_spectra(spectra))
        for row, spectrum in enumerate(spectra):
            alone, [size] = listener(*stack_spectra([spectrum]))
            assert size == num_frames[row]
            # A convolution may add in another order for another batch: float32, values near 1.
            torch.testing.assert_close(together[row, :size], alone[0], rtol=0, atol=1e-5)


def test_loaded_equals_saved(listener, tmp_path):
    first = Listener.load(listener.save(tmp_path / "listener"))
    again = Listener.load(first.save(tmp_path / "again"))
    assert first.config == TINY
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
        rounded = listener.state_dict()[name].half() if value.is_floating_point() else value
        torch.testing.assert_close(value, rounded.to(value.dtype), rtol=0, atol=0)


def test_a_torn_or_foreign_folder_is_refused(listener, tmp_path):
    folder = listener.save(tmp_path / "listener")
    weights = folder / "listener.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ValueError, match="torn"):
        Listener.load(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="not written by omniloom"):
        Listener.load(tmp_path / "other")


def test_loudness_does_not_matter():
    spectra = [LogMel(24)(synthesize("big red circle", ASSISTANT_VOICE).audio.samples * gain) for gain in (1.0, 0.05)]
    # Only float32 rounding before the logarithm differs.
    torch.testing.assert_close(spectra[0], spectra[1], rtol=0, atol=1e-4)
    assert spectra[0].min() >= -1 and spectra[0].max() <= 0


@pytest.mark.parametrize("audio", [Audio(torch.zeros(8_000), 16_000), Audio(torch.ones(1), 8_000), noise(700)])
def test_silence_and_shortest_sounds_are_heard_without_error(listener, audio):
    assert set(listener.transcribe(audio).split()) <= set(TINY.words)


def test_a_run_of_frames_is_one_word(listener):
    assert listener._spelled([0, 1, 1, 0, 1, 2, 2, 3, 0, 0]) == "red red water circle"
    assert listener._spelled([0, 0]) == ""
    assert listener.transcribe_batch([]) == []


@pytest.mark.parametrize(
    ("truth", "other", "distance"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "b a", 2), ("", "a", 1), ("a b c", "x b c d", 2)],
)
def test_edit_distance(truth, other, distance):
    assert edit_distance(truth.split(), other.split()) == distance


def test_heard_counts_phrases_and_words(listener, monkeypatch):
    monkeypatch.setattr(Listener, "transcribe_batch", lambda self, audios: ["red water"] * len(audios))
    result = heard(listener, "x", [(noise(100), "red water"), (noise(100), "red"), (noise(100), "circle water")])
    assert (result.n, result.exact, result.word_error) == (3, 1 / 3, 2 / 5)


def test_disturbed_is_repeatable_and_keeps_its_range():
    spectrum = -torch.rand(24, 60)
    for seed in range(30):
        one, two = (disturbed(spectrum, np.random.default_rng(seed)) for _ in range(2))
        assert torch.equal(one, two)
        assert one.shape == spectrum.shape and one.min() >= -1 and one.max() <= 0


@pytest.mark.parametrize("words", [TINY.words, ("red", "rouge", "bleu")], ids=["English", "both"])
@pytest.mark.parametrize("stops", [(2,), (3, 1, 4)], ids=str)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, stops, words):
    listener = dataclasses.replace(TINY, dropout=0.2, words=words)
    course = Course(num_steps=5, batch_size=4, pool_size=40)
    config = ListenerTraining(listener=listener, first=course, second=dataclasses.replace(course, num_steps=4, seed=1))
    whole = train_listener(config, run_folder=tmp_path / "whole")
    for num_steps in stops:
        left = iter([*[False] * (num_steps - 1), True])
        with pytest.raises(KeyboardInterrupt):
            train_listener(config, run_folder=tmp_path / "parts", is_interrupted=lambda left=left: next(left))
    resumed = train_listener(config, run_folder=tmp_path / "parts")
    assert equal_states(dict(whole.state_dict()), dict(resumed.state_dict()))


def test_it_learns_three_words(tmp_path):
    course = Course(num_steps=120, batch_size=16, pool_size=200, peak_rate=5e-3)
    config = ListenerTraining(listener=TINY, first=course, second=dataclasses.replace(course, num_steps=0))
    learned = train_listener(config, run_folder=tmp_path)
    phrases = ["red", "water", "circle", "red water", "circle red", "water circle"]
    said = [torch.cat([p.samples for p in speak_reply(phrase) if isinstance(p, Audio)]) for phrase in phrases]
    result = heard(learned, "assistant", [(Audio(s, 16_000), phrase) for s, phrase in zip(said, phrases, strict=True)])
    assert result.word_error <= 0.34


def test_the_shipped_listener_hears_every_reply_word():
    listener = Listener.load()
    words = words_of("en", listener.config.words)
    said = [(part, word) for word in words for part in speak_reply(word) if isinstance(part, Audio)]
    assert heard(listener, "words", said).exact >= 0.97


def test_a_pool_is_of_both_languages_and_homophones_are_one_word():
    listener = Listener(dataclasses.replace(TINY, words=("red", "bleu", "rouge")))
    course = Course(num_steps=100, real_digits_share=0.0, french_share=0.5, single_words_share=1.0)
    school = listener_training._School(listener, course, step=0)
    said = [school._phrase(1, np.random.default_rng(seed))[1] for seed in range(60)]
    assert set(said) == {"red", "bleu", "bleue", "rouge"}
    _, targets = school.batch(0)
    assert {index for target in targets for index in target} == {1, 2, 3}


def test_by_default_it_knows_every_word_that_sounds_different():
    assert Listener.Config().words == HEARD_WORDS


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_listener_hears_spoken_descriptions(language):
    listener = Listener.load()
    said = []
    for seed in range(30):
        scene = random_scene(np.random.default_rng(seed), num_objects=1 + seed % 2, pairs="any")
        words = describe(scene, language)
        sounds = [part.samples for part in speak_reply(words, language) if isinstance(part, Audio)]
        said.append((Audio(torch.cat(sounds), 16_000), words))
    assert heard(listener, "descriptions", said).exact >= 0.9


def test_measures_name_what_they_are_of(listener, tmp_path, monkeypatch):
    monkeypatch.setattr("omniloom.data.speech.fsdd.recordings", lambda split: ())
    monkeypatch.setattr("omniloom.data.speech.fsdd.SPEAKERS", ())
    results = measure_listener(listener, num_phrases=6)
    assert [result.what for result in results][:2] == ["assistant, 1-4 words", "assistant, 5-17 words"]
    assert len({result.what for result in results}) == len(results)
    assert all(result.n >= 1 and 0 <= result.exact <= 1 for result in results)
