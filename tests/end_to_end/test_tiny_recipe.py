"""The whole path in miniature: codecs, data, training, a folder that answers in every form; stopped, it goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.codecs.small_mimi import small_model

from omniloom import Audio, Image, Omni
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.mimi import MimiCodec
from omniloom.core.state import equal_states
from omniloom.data.problems import WorldMix
from omniloom.models import OmniConfig
from omniloom.recipes.audio_codec import AudioCodecRecipe
from omniloom.recipes.image_codec import ImageCodecRecipe
from omniloom.recipes.text_codec import TextCodecRecipe
from omniloom.recipes.tiny import TinyRecipe, train_model, train_tiny
from omniloom.training import TrainingConfig

MICRO = TinyRecipe(
    text=TextCodecRecipe(num_examples=40, english_characters=20_000, word_repeats=50),
    audio=AudioCodecRecipe(
        num_sentences=4,
        digit_copies=0,
        num_steps=2,
        num_rows=2,
        num_frames=8,
    ),
    image=ImageCodecRecipe(
        codec=ImageCodec.Config(encoder_width=8, decoder_width=8, colour_width=8),
        num_steps=2,
        rows_per_step=2,
        emoji_share=0.0,
    ),
    mix=WorldMix(digits=None, emoji=None),
    num_examples=32,
    model=OmniConfig.from_depth(1),
    training=TrainingConfig(num_steps=4, num_rows=2, compile=False, tensorboard=False),
    num_processes=1,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    train_tiny(MICRO, out=folder)
    return folder


@pytest.mark.parametrize("want", ["text", "audio", "image", ["audio", "image"]])
def test_a_trained_folder_answers_what_is_heard_and_seen(run: Path, want: str | list[str]) -> None:
    """Four steps teach nothing: what is asked is that every form comes out as the grammar says, to its end."""
    omni = Omni.load(run / "checkpoint")
    picture = Image.open(Path(__file__).parent / "red_circle.png")
    sound = Audio(torch.randn(8_000) * 0.1, 16_000)
    reply = omni.reply(["what is this", sound, picture], want=want, max_tokens=60)
    assert reply.finish_reason in ("stop", "length")
    assert 17 + 12 < reply.usage.prompt_tokens < 80  # positions: a picture takes 17 and half a second of sound 13
    assert 0 < reply.usage.text_tokens + reply.usage.audio_tokens + reply.usage.image_tokens <= 60


def test_a_codec_that_is_there_already_is_taken(run: Path, tmp_path: Path) -> None:
    """Mimi, put where the recipe looks: data, training and replies go through it."""
    pytest.importorskip("transformers", reason="the hf extra has it")
    MimiCodec(small_model(), num_codebooks=3).save(tmp_path / "codecs" / "audio" / "codec")
    for name in ("text", "image"):
        shutil.copytree(run / "codecs" / name / "codec", tmp_path / "codecs" / name / "codec")
    recipe = replace(MICRO, training=replace(MICRO.training, row_length=1024))
    omni = Omni.load(train_tiny(recipe, out=tmp_path, is_resuming=True))
    assert isinstance(omni.codecs.audio, MimiCodec)
    reply = omni.reply(["say it", Audio(torch.randn(8_000) * 0.1, 16_000)], want="audio", max_tokens=60)
    assert reply.audio is None or reply.audio.rate_hz == 24_000
    assert reply.usage.prompt_tokens > 7  # a frame of three codes is one position


def test_every_stage_is_timed_and_written_down(run: Path) -> None:
    times = json.loads((run / "times.json").read_text())
    assert set(times) == {"codecs", "data", "model"}
    assert "training.num_steps = 4" in (run / "config.txt").read_text()


def test_stages_that_are_done_are_not_done_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a finished stage was started again")

    monkeypatch.setattr("omniloom.recipes.tiny.one_thread_each", fail)
    monkeypatch.setattr("omniloom.training.Trainer.take_step", fail)
    before = (run / "checkpoint" / "model.safetensors").read_bytes()
    train_tiny(MICRO, out=run, is_resuming=True)
    assert (run / "checkpoint" / "model.safetensors").read_bytes() == before


def test_on_real_packed_rows_resumed_equals_uninterrupted(run: Path, tmp_path: Path) -> None:
    from omniloom.data.token_dataset import TokenDataset

    data = TokenDataset.open(run / "data")
    whole = train_model(MICRO, data, tmp_path / "whole")
    cut = replace(MICRO, training=replace(MICRO.training, checkpoint_every_s=0.0, keep_checkpoints=9))
    train_model(cut, data, tmp_path / "cut")
    checkpoints = sorted((tmp_path / "cut" / "checkpoints").iterdir())
    for later in checkpoints[2:]:
        for file in later.iterdir():
            file.unlink()
        later.rmdir()
    assert equal_states(dict(train_model(MICRO, data, tmp_path / "cut").state_dict()), dict(whole.state_dict()))
