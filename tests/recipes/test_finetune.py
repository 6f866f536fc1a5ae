"""A fine-tuning run's folder tells what it began with and what was changed on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.stream.vocabularies import small_vocabulary

from omniloom import Omni
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.text import TextCodec
from omniloom.core.config import to_text
from omniloom.data.problems import Mixture, SumsProblem, WorldMix
from omniloom.data.token_dataset import TokenDataset, prepare
from omniloom.generation import load
from omniloom.recipes import finetune
from omniloom.recipes.finetune import FinetuneRecipe, known_world, train_finetune
from omniloom.stream.vocabulary import CONTROLS, Vocabulary
from omniloom.training import TrainingConfig

SUMS = WorldMix(
    scenes=None,
    speech=None,
    digits=None,
    emoji=None,
    films=None,
    dialogues=None,
    unknown=None,
    sums=SumsProblem.Config(sum_audio=0.0, sum_spoken_audio=0.0, sum_spoken_text=0.0),
)
ON_SUMS = FinetuneRecipe(
    data=None,
    mix=SUMS,
    num_examples=24,
    num_processes=1,
    training=TrainingConfig(num_steps=1, num_rows=1, row_length=256, compile=False, tensorboard=False),
)


def test_going_on_with_other_settings_keeps_the_first_and_tells_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        finetune,
        "load",
        lambda name: SimpleNamespace(codecs=None, model=SimpleNamespace(vocabulary=small_vocabulary())),
    )
    monkeypatch.setattr(finetune, "prepare", stop)
    first = FinetuneRecipe()
    for recipe in (first, first, replace(first, seed=1)):
        with pytest.raises(KeyboardInterrupt):
            train_finetune(recipe, out=tmp_path)
    assert (tmp_path / "config.txt").read_text() == to_text(first)
    assert (tmp_path / "config_changes.txt").read_text() == "step 0\n- seed = 0\n+ seed = 1\n"


def test_a_model_is_reminded_of_what_it_knows() -> None:
    new = small_vocabulary()
    old = Vocabulary([*new.specs.values()], controls=CONTROLS[:10])
    assert known_world(WorldMix(), new) == WorldMix()
    known = known_world(WorldMix(sums=None), old)
    assert {*Mixture(known).problems} == {"scenes", "speech", "digits"}
    assert known.scenes is not None and known.speech is not None
    assert known.scenes.french == known.speech.french == 0 and known.scenes.ask_text > 0


def test_a_run_goes_on_without_data_of_ones_own_and_with_what_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[TokenDataset] = []

    def fit(model: Any, data: TokenDataset, *args: Any, **options: Any) -> Any:
        learned.append(data)
        return real_fit(model, data, *args, **options)

    real_fit = finetune.fit
    monkeypatch.setattr(finetune, "fit", fit)
    first = train_finetune(ON_SUMS, out=tmp_path / "first")
    data = str(tmp_path / "first" / "data")
    second = train_finetune(replace(ON_SUMS, start=str(first), earlier=(data,), seed=1), out=tmp_path / "second")
    new, old = TokenDataset.open(tmp_path / "second" / "data"), TokenDataset.open(data)
    assert [len(data) for data in learned] == [24, 48]
    assert learned[1].lengths.tolist() == [*new.lengths, *old.lengths] and new.lengths.tolist() != old.lengths.tolist()
    assert Omni.load(second).reply("what is 2 plus 2?").text


def test_a_dataset_of_other_codecs_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    codecs = load("tiny").codecs
    text = TextCodec.train(["one two three"], 300)
    CodecSet(text=text, audio=codecs.audio, image=codecs.image).save(tmp_path / "codecs")
    prepare(tmp_path / "data", mix=SUMS, codecs=CodecSet.load(tmp_path / "codecs"), num_examples=2, processes=1)
    with pytest.raises(ValueError, match="was made with other codecs than those of tiny"):
        train_finetune(replace(ON_SUMS, earlier=(str(tmp_path / "data"),)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
