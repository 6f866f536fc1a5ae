"""A fine-tuning run's folder tells what it began with and what was changed on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.stream.vocabularies import small_vocabulary

from omniloom.core.config import to_text
from omniloom.data.problems import Mixture, WorldMix
from omniloom.recipes import finetune
from omniloom.recipes.finetune import FinetuneRecipe, known_world, train_finetune
from omniloom.stream.vocabulary import CONTROLS, Vocabulary


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
