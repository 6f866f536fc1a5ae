"""Rows scored by several processes are those scored by one, and a process that dies is named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from omniloom.data.speech.listener import Listener
from omniloom.evaluation.report import WorldReport
from omniloom.evaluation.workers import row_workers
from omniloom.evaluation.world import evaluate
from omniloom.generation import Omni


class Mute:
    """The shipped model without its replies: whoever scores it needs another."""

    def __init__(self) -> None:
        omni = Omni.load()
        self.model, self.codecs, self.vocabulary = omni.model, omni.codecs, omni.vocabulary

    def reply_batch(self, prompts: Any, *, want: Any, seed: int) -> Any:
        raise AssertionError("asked in the process that only waits")


def test_two_processes_score_what_one_scores(tmp_path: Path) -> None:
    listener = Listener.load()

    def scored(omni: Any, pool: Any, out: Path, tasks: Sequence[str]) -> WorldReport:
        return evaluate(omni, limit=4, tasks=tasks, listener=listener, out=out, speakers=False, pool=pool)

    tasks = ["sum_text", "read_audio", "draw_typed"]
    alone = scored(Omni.load(), None, tmp_path / "one.json", tasks)
    out = tmp_path / "two.json"
    half: dict[str, Any] = {"listener": listener, "results": tmp_path / "two.json.partial", "speakers": False}
    begun = evaluate(Omni.load(), limit=4, tasks=tasks[:1], **half)
    with row_workers("tiny", None, 2) as pool:
        assert scored(Mute(), pool, out, tasks).to_json() == alone.to_json()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]
    assert [cell.to_json() for cell in begun.cells] == [
        cell.to_json() for cell in alone.cells if cell.name == "sum_text"
    ]


@pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA")
def test_people_are_heard_by_the_pool() -> None:
    with row_workers("tiny", None, 2) as pool:
        report = evaluate(Mute(), limit=2, tasks=["sum_text"], splits=["new"], listener=Listener.load(), pool=pool)  # type: ignore[arg-type]
    assert [voice.n for voice in report.speakers] == [80, 80, 80, 80]


def test_a_pool_of_another_model_is_refused() -> None:
    other = Mute()
    with torch.no_grad():
        next(other.model.parameters()).add_(1.0)
    with row_workers("tiny", None, 2) as pool, pytest.raises(ValueError, match="have loaded another model"):
        evaluate(other, limit=1, tasks=["sum_text"], listener=Listener.load(), speakers=False, pool=pool)  # type: ignore[arg-type]


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
