"""Draws from ranges lie in them, depend on seed and number alone, and spread as said."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from omniloom.core.checkpoint import write_folder
from omniloom.core.config import override
from omniloom.core.state import save_state
from omniloom.training.seq2seq import Range, averaged_weights, draw, hparams, ranged_hparams
from omniloom.training.seq2seq.averaging import last_checkpoints


def test_draws_depend_on_seed_and_number_alone() -> None:
    ranges = ranged_hparams.get("transformer_base_range")()
    assert draw(ranges, number=4, seed=1) == draw(dict(reversed(ranges.items())), number=4, seed=1)
    drawn = [draw(ranges, number=number, seed=seed)["schedule.constant"] for number in range(5) for seed in (0, 1)]
    assert len(set(drawn)) == 10
    with pytest.raises(ValueError, match="draws count from 0, got -1"):
        draw(ranges, number=-1, seed=0)


@pytest.mark.parametrize("name", list(ranged_hparams))
def test_every_draw_is_a_set(name: str) -> None:
    for number in range(20):
        override(hparams.get("transformer_tiny")(), draw(ranged_hparams.get(name)(), number=number, seed=0))


def test_values_spread_as_the_range_says() -> None:
    by_log = Range(low=0.01, high=1.0, is_log=True)
    assert [float(by_log.at(place)) for place in (0.0, 0.5)] == [0.01, 0.1]
    assert math.isclose(float(by_log.at(0.999999)), 1.0, rel_tol=1e-3)
    whole = Range(low=1, high=3, is_whole=True)
    assert [whole.at(place) for place in (0.0, 0.34, 0.67, 0.999)] == ["1", "2", "3", "3"]
    assert [Range(choices=("a", "b")).at(place) for place in (0.0, 0.5, 0.999)] == ["a", "b", "b"]
    assert str(by_log) == "from 0.01 to 1.0, by its logarithm" and str(Range(choices=(1, 2))) == "one of 1, 2"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": 2.0, "high": 1.0}, "needs low below high, or choices, got low 2.0 and high 1.0"),
        ({"low": 0.0, "high": 1.0, "is_log": True}, "must lie above 0, got low 0.0"),
        ({"low": 0.0, "choices": (1,)}, "has choices or ends"),
        ({}, "needs low below high"),
    ],
)
def test_ranges_that_are_none(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Range(**values)


def kept(run: Path, step: int, value: torch.Tensor) -> Path:
    path = run / "checkpoints" / f"step-{step:08d}"
    return write_folder(path, lambda folder: save_state(folder / "state.safetensors", {"model": {"w": value}}))


def test_the_mean_of_the_last_checkpoints(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        kept(tmp_path, step, torch.tensor([float(step), 1.0]))
    assert [path.name[-2:] for path in last_checkpoints(tmp_path, 2)] == ["15", "20"]
    mean = averaged_weights(last_checkpoints(tmp_path, 3))
    assert mean["w"].tolist() == [15.0, 1.0] and mean["w"].dtype == torch.float32
    with pytest.raises(ValueError, match="there are no checkpoints to average"):
        averaged_weights(last_checkpoints(tmp_path / "none", 3))
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        last_checkpoints(tmp_path, 0)
    other = kept(tmp_path, 25, torch.zeros(3))
    with pytest.raises(ValueError, match="holds another model than"):
        averaged_weights([*last_checkpoints(tmp_path, 1), *[tmp_path / "checkpoints" / "step-00000020", other]])
