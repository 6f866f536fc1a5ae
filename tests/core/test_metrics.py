"""No line is lost but the one being written, and a resumed curve runs over each step once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from omniloom.core.metrics import Metrics, read_metrics


def test_lines_are_on_disk_at_once(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(1, {"loss": 2.5, "phase": "warm-up"})
        assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 2.5, "phase": "warm-up"}]


def test_a_torn_last_line_is_skipped_another_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert [line["step"] for line in read_metrics(path)] == [1, 2]
    path.write_text('{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(ValueError, match="broken at line 2"):
        read_metrics(path)
    assert read_metrics(tmp_path / "nowhere") == []


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        for step in (1, 2, 3):
            metrics.write(step, {"loss": 1.0})
    with Metrics(tmp_path, resume_step=2) as metrics:
        metrics.write(3, {"loss": 0.5})
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 1.0), (2, 1.0), (3, 0.5)]
    with Metrics(tmp_path) as metrics:
        pass
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_every_line_is_json_whatever_the_loss_does(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(1, {"loss": float("nan"), "norm": float("inf")})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "loss": "nan", "norm": "inf"}


def test_tensorboard_is_written_beside(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Metrics(tmp_path, has_tensorboard=True) as metrics:
        metrics.write(1, {"loss": 2.5, "phase": "warm-up"})
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_missing_tensorboard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"pip install 'omniloom\[train\]'"):
        Metrics(tmp_path, has_tensorboard=True)
