"""Tensor2Tensor's reproduction: what is exact holds, and what a row says of scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omniloom.core.config import to_text
from omniloom.reproductions import reproductions
from omniloom.reproductions.tensor2tensor import exact, runs, system
from omniloom.training import Noam
from omniloom.training.seq2seq import transformer_base


def test_all_that_is_exact_holds() -> None:
    assert [row.name for row in exact.exact_rows() if row.holds is not True] == []


def test_a_wrong_rate_and_a_wrong_set_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Noam.rate
    monkeypatch.setattr(Noam, "rate", lambda self, step, *, width: right(self, step, width=width) * (1 + 2e-6))
    assert exact.rate_row().holds is False and exact.legacy_row().holds is False
    base = transformer_base()
    changed = replace(base, schedule=Noam(warmup_steps=4000))
    monkeypatch.setitem(exact.hparams._values, "transformer_base", lambda: changed)
    assert exact.set_row("transformer_base").holds is False


def test_a_search_that_mixes_its_rows_up_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact._Toy, "reorder", lambda self, rows: setattr(self, "states", self.states[rows * 0]))
    assert exact.exhaustive_row().holds is False


def scores(value: float, **more: Any) -> dict[str, Any]:
    test = {"value": value, "num_answers": 4182, "signature": "tok:13a"}
    baselines = {"source copied": {"value": 10.0}, "word for word": {"value": 15.0}}
    return {"test": test, "baselines": baselines, "cpu_minutes": 30.0, **more}


@pytest.mark.parametrize(
    ("value", "minutes", "holds"),
    [(20.0, 40.0, [True, True, True]), (19.9, 40.1, [False, True, False]), (15.0, 1.0, [False, False, True])],
)
def test_bars_of_translation(value: float, minutes: float, holds: list[bool]) -> None:
    rows = system.translation_rows(scores(value, cpu_minutes=minutes))
    assert [row.holds for row in rows] == holds


def test_bars_of_scan() -> None:
    rows = system.scan_rows({"scan_simple": scores(94.9), "scan_length": scores(0.0)})
    assert [row.holds for row in rows] == [False, True, "not tested"]
    assert system.scan_rows({"scan_simple": scores(95.0)})[0].holds is True
    assert rows[1].here == "0.0 % of 4,182" and rows[1].bar == "reported"
    assert [row.holds for row in system.translation_rows(None)] == ["not tested"] * 3
    assert system.marked_row({"translated": 30.0, "source copied": 31.0, "word for word": 2.0}).holds is False


def finished(folder: Path, config: Any, value: float) -> None:
    """What a finished run leaves of its scores."""
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "config.txt").write_text(to_text(config))
    (folder / "checkpoint" / "scores.json").write_text(json.dumps(scores(value)))
    (folder / "evaluations").mkdir()
    lines = [{"step": step, "score": step / 100, "cpu_seconds": step} for step in (750, 1500)]
    (folder / "evaluations" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_what_is_trained_is_not_trained_again(tmp_path: Path) -> None:
    finished(tmp_path / runs.ENGLISH_FRENCH, runs.english_french(), 40.0)
    marked = {"translated": 40.0, "source copied": 30.0, "word for word": 35.0}
    (tmp_path / runs.ENGLISH_FRENCH / "with_markup.json").write_text(json.dumps(marked))
    for problem in runs.SCAN:
        finished(tmp_path / problem, runs.scan(problem), 97.0)
    result = reproductions.get("tensor2tensor").run(effort="usual", out=tmp_path, checkpoint="tiny")
    assert result.holds is True and (tmp_path / "tensor2tensor.png").stat().st_size > 10_000
    finished(tmp_path / "other" / "scan_short", runs.scan("scan_simple"), 97.0)
    with pytest.raises(ValueError, match="holds a run with other settings; delete it"):
        system.reproduce(effort="quick", out=tmp_path / "other")


def test_quick_leaves_the_long_runs_out(tmp_path: Path) -> None:
    finished(tmp_path / "scan_short", runs.short_scan(), 12.0)
    result = system.reproduce(effort="quick", out=tmp_path)
    assert result.holds == "not tested" and not result.has_failed
    untested = [row.name for row in result.rows if row.holds == "not tested"]
    assert len(untested) == 7 and untested[0].startswith("EN–FR BLEU") and untested[4].startswith("scan_simple")
