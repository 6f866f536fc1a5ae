"""Training the audio codec: it learns, resumes to the bit, and its batches are a function of seed and step."""

import importlib.util
import os
import signal
from pathlib import Path

import pytest
import torch

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.audio.decoder import Decoder
from omniloom.codecs.audio.encoder import Encoder
from omniloom.core.metrics import read_metrics
from omniloom.core.randomness import generator
from omniloom.data.speech.synthesis import VOICES, Spoken, Voice, assistant_word, synthesize
from omniloom.data.speech.words import REPLY_WORDS_IN
from omniloom.recipes import audio_codec as recipe_module
from omniloom.recipes import audio_codec_sounds as sounds_module
from omniloom.recipes.audio_codec import AudioCodecRecipe, train_audio_codec
from omniloom.recipes.audio_codec_measure import _codes_used, codes_kept_after_other_words
from omniloom.recipes.audio_codec_sounds import (
    NOISE_DB,
    Mix,
    Sounds,
    assistant_words,
    spoken_sentences,
    training_batch,
    training_sounds,
)
from omniloom.training.schedule import WarmupStableDecay

needs_synthesizer = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeak-ng is not installed (extra: speech)"
)

TINY = AudioCodecRecipe(
    codec=AudioCodec.Config(
        encoder=Encoder.Config(width=24, num_blocks=1),
        decoder=Decoder.Config(width=24, hop_width=16, num_bands=20),
        pitch_width=8,
    ),
    schedule=WarmupStableDecay(warmup_steps=2),
    num_steps=15,
    num_rows=2,
    num_frames=6,
    log_every=5,
    steps_per_checkpoint=5,
)


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    """Buzzes of many pitches and bursts of noise: learnable, and made without a synthesizer."""
    time = torch.arange(9_600) / 16_000
    buzzes = [0.1 * sum(torch.sin(6.2832 * k * hz * time) for k in range(1, 9)) for hz in range(90, 250, 16)]
    noise = torch.randn(10, 5_000, generator=torch.Generator().manual_seed(0)) * 0.05
    return Sounds(words=buzzes[::2], sentences=buzzes[1::2], digits=list(noise))


def test_interrupted_and_resumed_equals_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sounds: Sounds
) -> None:
    whole = train_audio_codec(TINY, run_folder=tmp_path / "whole", sounds=sounds)
    plain = recipe_module._Run.take_step

    def interrupt(run: recipe_module._Run, sounds: Sounds) -> dict[str, float]:
        if run.step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(run, sounds)

    monkeypatch.setattr(recipe_module._Run, "take_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_audio_codec(TINY, run_folder=tmp_path / "parts", sounds=sounds)
    monkeypatch.setattr(recipe_module._Run, "take_step", plain)
    resumed = train_audio_codec(TINY, run_folder=tmp_path / "parts", sounds=sounds)
    assert resumed.spec.fingerprint == whole.spec.fingerprint
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert lines[0] == lines[1] and lines[0][-1]["step"] == 15
    assert lines[0][-1]["total"] < lines[0][0]["total"]


def test_batches_depend_on_the_generator_alone(sounds: Sounds) -> None:
    first, again, other = (
        training_batch(sounds, Mix(), generator("batch", step), num_rows=12, num_frames=4) for step in (3, 3, 4)
    )
    assert first.heard.shape == first.wanted.shape == (12, 4 * 640)
    assert torch.equal(first.heard, again.heard) and torch.equal(first.wanted, again.wanted)
    assert not torch.equal(first.wanted, other.wanted)


def test_the_encoder_hears_noise_that_is_in_no_target(sounds: Sounds) -> None:
    batch = training_batch(sounds, Mix(), generator("noise"), num_rows=40, num_frames=4)
    added = (batch.heard - batch.wanted).square().mean(1).sqrt()
    noisy = added[added > 0]
    assert 8 <= len(noisy) <= 24
    assert 10 ** (NOISE_DB[0] / 20) * 0.9 < float(noisy.min()) and float(noisy.max()) < 10 ** (NOISE_DB[1] / 20) * 1.1


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 1 together, got 0\.7 and 0\.4"):
        Mix(words=0.7, sentences=0.4)


@needs_synthesizer
def test_words_keep_their_codes_after_other_words() -> None:
    """What a language model must learn: a word's codes do not depend on the word before it, whatever the weights."""
    torch.manual_seed(0)
    codec = AudioCodec(TINY.codec).eval()
    assert codes_kept_after_other_words(codec, ("red", "star", "six", "yes", "top", "eight")) == 1.0


@needs_synthesizer
def test_sounds_without_people_need_no_download() -> None:
    made = training_sounds(2, digit_copies=0, seed=0)
    assert len(made.sentences) == 2 and not made.digits
    assert all(word.numel() % 640 == 0 for word in made.words)
    again = spoken_sentences(2, split="train", seed=0)
    for first, second in zip(made.sentences, again, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


@needs_synthesizer
def test_sounds_are_of_both_languages_and_to_learn_from_half_by_the_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    french = assistant_word("soleil", "fr").samples
    assert any(torch.equal(word, french) for word in assistant_words())
    said: list[tuple[str, Voice]] = []

    def speak(text: str, voice: Voice) -> Spoken:
        said.append((text, voice))
        return synthesize("oui", voice)

    monkeypatch.setattr(sounds_module, "synthesize", speak)
    spoken_sentences(60, split="train", seed=0)
    assert 20 <= sum(voice.number is not None for _, voice in said) <= 40
    said.clear()
    spoken_sentences(60, split="new", seed=0)
    for text, voice in said:
        language = "fr" if voice.language.startswith("fr") else "en"
        assert voice.name in {new.name for new in VOICES[language]["new"]}
        assert text.split()[-1] in REPLY_WORDS_IN[language]
    assert 10 <= sum(voice.language.startswith("fr") for _, voice in said) <= 26


@pytest.mark.parametrize("num_groups", [1, 3])
def test_every_group_of_codes_is_counted_and_comes_back(num_groups: int) -> None:
    codec = AudioCodec(AudioCodec.Config(num_groups=num_groups)).eval()
    sound = torch.randn(1, 640 * 4, generator=torch.Generator().manual_seed(0)) * 0.1
    codes = codec.encode_samples(sound)
    assert codes.shape == (1, 4, num_groups) and codec.decode_frames(codes).shape == sound.shape
    assert _codes_used(codec, [sound[0]]) == tuple(len(group.unique()) for group in codes[0].unbind(-1))
