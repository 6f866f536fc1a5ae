"""A run's folder tells every setting it ever had, from which step on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from omniloom.core.checkpoint import write_folder
from omniloom.core.config import to_text
from omniloom.training import record_config


@dataclass(frozen=True, kw_only=True)
class Recipe:
    num_steps: int = 10
    rate: float = 0.5


def test_changes_are_told_once_with_their_step_and_the_beginning_stays(tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = out / "config_changes.txt"
    assert record_config(out, Recipe()) == record_config(out, Recipe()) == []
    assert not changes.exists()
    assert record_config(out, Recipe(num_steps=9)) == ["- num_steps = 10", "+ num_steps = 9"]
    write_folder(out / "model" / "checkpoints" / "step-00000007", lambda folder: (folder / "state").write_text("x"))
    assert record_config(out, Recipe(num_steps=9)) == []
    record_config(out, Recipe(rate=0.25))
    assert (out / "config.txt").read_text() == to_text(Recipe())
    assert changes.read_text().splitlines() == [
        "step 0", "- num_steps = 10", "+ num_steps = 9",
        "step 7", "- num_steps = 9", "+ num_steps = 10", "- rate = 0.5", "+ rate = 0.25",
    ]  # fmt: skip


def test_what_is_trained_is_not_told_as_trained_by_other_settings(tmp_path: Path) -> None:
    record_config(tmp_path, Recipe())
    assert record_config(tmp_path, Recipe(), is_trained=True) == []
    for _ in range(2):
        with pytest.raises(ValueError, match=r"by other settings \(- rate = 0.5; \+ rate = 2.0\); give another --out"):
            record_config(tmp_path, Recipe(rate=2.0), is_trained=True)
    assert not (tmp_path / "config_changes.txt").exists()
