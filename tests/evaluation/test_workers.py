"""Rows scored by several processes are those scored by one, and a process that dies is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniloom.data.speech.listener import Listener
from omniloom.evaluation.workers import row_workers
from omniloom.evaluation.world import evaluate
from omniloom.generation import Omni


def test_two_processes_score_what_one_scores(tmp_path: Path) -> None:
    omni, listener = Omni.load(), Listener.load()

    def scored(processes: int) -> dict[str, object]:
        with row_workers("tiny", None, processes) as pool:
            report = evaluate(
                omni,
                limit=4,
                tasks=["sum_text", "read_audio", "draw_typed"],
                listener=listener,
                out=tmp_path / f"{processes}.json",
                speakers=False,
                pool=pool,
            )
        return report.to_json()

    assert scored(2) == scored(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.json", "2.json"]


def test_a_dead_process_is_told() -> None:
    with (
        pytest.raises(ConnectionError, match="one of 2 scoring processes has ended"),
        row_workers("tiny", None, 2) as pool,
    ):
        assert pool is not None
        pool.submit(os._exit, 1).result()


def test_no_process_is_refused() -> None:
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"), row_workers("tiny", None, 0):
        pass
