"""Training the image codec: it learns, resumes to the bit, and sees no held-out pair."""

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.emoji import made_up_emoji

from omniloom.codecs.image import ImageCodec
from omniloom.core.metrics import read_metrics
from omniloom.data.clips import read_frame
from omniloom.data.emoji import read_sticker
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import HELD_OUT_PAIRS
from omniloom.recipes import image_codec as recipe_module
from omniloom.recipes.image_codec import (
    ImageCodecRecipe,
    emoji_pictures,
    train_image_codec,
    training_batch,
    training_frames,
)
from omniloom.recipes.image_codec_measure import measure_image_codec
from omniloom.stream.parts import Image

TINY = ImageCodecRecipe(
    codec=ImageCodec.Config(encoder_width=16, decoder_width=16, colour_width=16),
    num_steps=40,
    rows_per_step=8,
    emoji_share=0.0,
    warmup_steps=5,
    steps_per_checkpoint=20,
)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_image_codec(TINY, run_folder=tmp_path / "whole")
    plain_batch = recipe_module.training_batch

    def interrupt(recipe: ImageCodecRecipe, step: int, emoji: list[Image]) -> torch.Tensor:
        if step == 27:
            os.kill(os.getpid(), signal.SIGINT)
        return plain_batch(recipe, step, emoji)

    monkeypatch.setattr(recipe_module, "training_batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_image_codec(TINY, run_folder=tmp_path / "parts")
    monkeypatch.setattr(recipe_module, "training_batch", plain_batch)
    resumed = train_image_codec(TINY, run_folder=tmp_path / "parts")
    assert resumed.spec.fingerprint == whole.spec.fingerprint
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert lines[0] == lines[1] and lines[0][-1]["step"] == 40
    assert lines[0][-1]["total"] < lines[0][0]["total"]


def test_no_held_out_pair_is_drawn_in_training() -> None:
    for step in range(20):
        for pixels in training_batch(TINY, step, []):
            scene = read_scene(Image((pixels * 255).round().to(torch.uint8)))
            assert scene is not None
            assert not {(item.colour, item.shape) for item in scene.objects} & HELD_OUT_PAIRS


def test_no_held_out_pair_is_in_a_frame_of_training() -> None:
    num_read = 0
    for step in range(6):
        for pixels in training_frames(TINY, step):
            seen = read_frame(Image((pixels * 255).round().to(torch.uint8)))  # those in which all stand
            num_read += seen is not None
            assert not {tuple(name.split()) for name in (seen or {}).values()} & HELD_OUT_PAIRS
    assert num_read >= 40


def test_frames_change_what_is_learned_and_need_not_be_there(tmp_path: Path) -> None:
    short = dataclasses.replace(TINY, num_steps=2)
    without = dataclasses.replace(short, frames_per_step=0)
    prints = [
        train_image_codec(recipe, run_folder=tmp_path / str(recipe.frames_per_step)).spec.fingerprint
        for recipe in (short, without)
    ]
    assert prints[0] != prints[1]


def test_batches_depend_on_seed_and_step_alone() -> None:
    assert torch.equal(training_frames(TINY, 3), training_frames(TINY, 3))
    assert not torch.equal(training_frames(TINY, 3), training_frames(TINY, 4))
    assert torch.equal(training_batch(TINY, 3, []), training_batch(TINY, 3, []))
    assert not torch.equal(training_batch(TINY, 3, []), training_batch(dataclasses.replace(TINY, seed=1), 3, []))


def test_without_a_data_folder_there_are_the_named_emoji_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path))
    assert emoji_pictures(10, split="train") == []
    recipe = dataclasses.replace(TINY, num_steps=1, num_emoji=5, emoji_share=0.5)
    with made_up_emoji(), pytest.warns(UserWarning, match="no emoji without a name"):
        train_image_codec(recipe, run_folder=tmp_path / "run")


def test_emoji_come_by_their_share_and_are_named_ones_or_others() -> None:
    others = [Image(torch.zeros(3, 64, 64, dtype=torch.uint8))]
    recipe = dataclasses.replace(TINY, rows_per_step=200, emoji_share=0.5, named_share=0.6)
    with made_up_emoji():
        pictures = [Image((row * 255).round().to(torch.uint8)) for row in training_batch(recipe, 0, others)]
        named = sum(read_sticker(picture) is not None for picture in pictures)
    black = sum(not picture.pixels.any() for picture in pictures)
    assert 40 < named < 80 and 25 < black < 55


def test_measure_counts_what_must_not_matter() -> None:
    torch.manual_seed(0)
    measured = measure_image_codec(ImageCodec(TINY.codec).eval(), num_scenes=20)
    assert measured.coverage_kept_when_recoloured == 1
    assert measured.colour_kept_when_reshaped == 1
    assert measured.codes_kept_when_moved == 1
    assert measured.jittered.drawn == 1
    assert np.isfinite(measured.jittered.psnr_db)
