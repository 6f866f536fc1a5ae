"""The reranker of the world's pictures: its batches are the world's own, and its folder is loaded from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.support.emoji import made_up_emoji

from omniloom.data.problems import ScenesProblem
from omniloom.evaluation.suites import Checkpoint, Job, suite
from omniloom.generation import loading
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import Contrastive
from omniloom.recipes.pictures import WorldRerankerRecipe, train_world_reranker
from omniloom.recipes.pictures.world import WorldBatches, request_and_drawing


@pytest.fixture(scope="module", autouse=True)
def emoji() -> Iterator[None]:
    with made_up_emoji():
        yield


def small() -> WorldRerankerRecipe:
    whole = WorldRerankerRecipe()
    network = Contrastive.Config(
        text_vocabulary=1280, text_length=64, side=64, patch=16, width=16, num_heads=2, space=8
    )
    return replace(whole, network=network, training=replace(whole.training, num_steps=2, num_rows=6))


def test_it_is_trained_into_a_folder(tmp_path: Path) -> None:
    place = train_world_reranker(small(), out=tmp_path)
    loaded = Reranker.load(place)
    asked, drawn = request_and_drawing(ScenesProblem().example("new", 0, "draw_typed"))
    assert loaded.scores(asked, [drawn]).shape == (1,)
    options = argparse.Namespace(candidates=2, reranker=str(place), drawn_at=1.0)
    job = Job(suite="pictures", subject=Checkpoint("tiny"), limit=2, seed=0, options=options)
    rows = suite("pictures").run(job).rows
    assert [row.n for row in rows] == 6 * [2]
    assert rows[2].score == pytest.approx(rows[1].score - rows[0].score)


def test_batches_are_functions_of_their_number_and_half_of_them_went_through_the_codec() -> None:
    codecs = loading.load("tiny").codecs
    batches = WorldBatches(small(), codecs.text, codecs.image)  # type: ignore[arg-type]
    first, again = batches.batch(3), batches.batch(3)
    assert torch.equal(first.pixels, again.pixels) and torch.equal(first.tokens, again.tokens)
    rows = codecs.image.encode_pixels(first.pixels)
    after = torch.stack([codecs.image.decode(row.tolist()).pixels for row in rows]).float() / 255
    # What went through the codec once changes little when it does so again; what is fresh from the world changes more.
    fresh = batches.batch(2).pixels
    rows = codecs.image.encode_pixels(fresh)
    once = torch.stack([codecs.image.decode(row.tolist()).pixels for row in rows]).float() / 255
    assert float((after - first.pixels).abs().mean()) < float((once - fresh).abs().mean())
