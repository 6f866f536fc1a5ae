"""The code recipe carries out its stages, skips those that are done, and writes what the evaluation takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from omniloom import Omni
from omniloom.data.code.generated import GeneratedFunctions
from omniloom.evaluation.code import OmniCodeModel, SampleRequest
from omniloom.recipes.code import CodeRecipe, recipe, train_code
from omniloom.recipes.code.recipe import described_of, written_of
from omniloom.recipes.text_model import text_shape

FULL = CodeRecipe()
assert FULL.inverse is not None
SMALL = replace(
    FULL,
    vocab_size=400,
    model=text_shape(1, num_heads=1),
    num_files=6,
    num_functions=24,
    base=replace(FULL.base, num_steps=2, num_rows=1),
    functions=replace(FULL.functions, num_steps=2, num_rows=1),
    inverse=replace(FULL.inverse, num_steps=2, num_rows=1),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_code(SMALL, out=tmp_path_factory.mktemp("code") / "run")


def test_the_functions_settings_are_codex_s() -> None:
    tuned = FULL.functions
    optimizer = tuned.optimizer
    assert (optimizer.beta1, optimizer.beta2, optimizer.weight_decay) == (0.9, 0.95, 0.1)  # type: ignore[union-attr]
    assert tuned.rate_scale(0) == 1 / 175 and tuned.rate_scale(174) == 1.0
    middle = 175 + (tuned.num_steps - 175) // 2
    assert tuned.rate_scale(middle) == pytest.approx(0.5, abs=0.01)
    assert tuned.rate_scale(tuned.num_steps) == pytest.approx(0.0, abs=1e-12)


def test_it_writes_a_model_that_writes_and_one_that_describes(trained: Path) -> None:
    problem = GeneratedFunctions().problem("test", 0)
    request = SampleRequest(problem.prompt, problem.stops, 0.8, seed=1, max_tokens=8)
    ((_, sample),) = OmniCodeModel(Omni.load(trained)).sample([request])
    assert sample.num_tokens <= 8
    inverse = Omni.load(trained.parent / "inverse" / "checkpoint")
    assert inverse.codecs.fingerprints == Omni.load(trained).codecs.fingerprints
    assert len(Omni.load(trained).codecs.text.encode_text("x        y")) == 3, "a run of spaces is one token"


def test_what_is_done_is_not_done_again(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*arguments: object) -> None:
        raise AssertionError("functions are made for a run that is done")

    monkeypatch.setattr(recipe, "_functions", make)
    weights = sorted(trained.parent.rglob("model.safetensors"))
    before = [path.stat().st_mtime_ns for path in weights]
    assert train_code(SMALL, out=trained.parent) == trained
    assert len(weights) == 4 and [path.stat().st_mtime_ns for path in weights] == before


def test_a_done_run_does_not_pass_for_one_of_other_settings(trained: Path) -> None:
    longer = replace(SMALL, functions=replace(SMALL.functions, num_steps=SMALL.functions.num_steps + 1))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"was trained by other settings .*functions.num_steps.*another --out"):
            train_code(longer, out=trained.parent)


def test_both_directions_hold_the_whole_function() -> None:
    problem = GeneratedFunctions().problem("train", 3)
    there, back = written_of(problem), described_of(problem)
    assert there.prompt + there.reply == problem.prompt + problem.reference
    assert back.prompt == problem.header + problem.reference and back.reply == problem.description
    assert back.reply in there.prompt and back.reply not in back.prompt
