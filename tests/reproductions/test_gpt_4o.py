"""Every direction has its rows, each with its own bar; the latency is measured from the last word on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from omniloom.data.problems import CELLS, Task
from omniloom.evaluation.report import CellScore, WorldReport
from omniloom.generation.reply import AudioDelta
from omniloom.reproductions import first_sound, gpt_4o
from omniloom.reproductions.first_sound import FirstSound, end_of, measure_first_sounds
from omniloom.stream.parts import Audio

RATE_HZ = 16_000
CELL = CellScore(
    name="text-to-text", input="text", output="text", split="new", n=300, score=0.9, ceiling=1.0, majority=0.1,
    shuffled=0.1, tasks={},
)  # fmt: skip
MIXED = replace(CELL, name="both", kind="mixed", input="image+audio", without={"image": 0.1, "audio": 0.1})


@pytest.fixture(autouse=True)
def one_mixed_task(monkeypatch: pytest.MonkeyPatch) -> None:
    world = SimpleNamespace(problems={}, tasks=(Task(name="both", cell=None, weight=1.0, inputs=("image", "audio")),))
    monkeypatch.setattr(gpt_4o, "Mixture", lambda: world)


def verdicts(*cells: CellScore) -> dict[str, Any]:
    return {row.name: row.holds for row in gpt_4o.direction_rows(cells)}


def test_what_was_not_scored_is_not_tested() -> None:
    found = verdicts(CELL)
    assert len(found) == 2 * (len(CELLS) + 1)
    assert found.pop("text-to-text, new") is True
    assert set(found.values()) == {"not tested"}


@pytest.mark.parametrize(
    ("cell", "holds"),
    [
        (replace(CELL, score=0.85), True),
        (replace(CELL, score=0.84), False),
        (replace(CELL, score=0.77, ceiling=0.9), True),
        (replace(CELL, score=0.9, shuffled=0.85), False),
        (replace(CELL, split="composed", score=0.70), True),
        (replace(CELL, split="composed", score=0.69), False),
        (MIXED, True),
        (replace(MIXED, without={"image": 0.85, "audio": 0.1}), False),
        (replace(MIXED, without={"image": 0.4, "audio": 0.1}), False),
    ],
)
def test_new_is_of_the_ceiling_composed_is_not_and_both_inputs_count(cell: CellScore, holds: bool) -> None:
    assert verdicts(cell)[f"{cell.name}, {cell.split}"] is holds


def test_latencies_are_the_best_and_the_mean() -> None:
    measured = [FirstSound(after_commit_ms=50, after_speech_ms=ms) for ms in (200.0, 400.0, None)]
    best, mean, commit = gpt_4o.latency_rows(measured)
    assert (best.here, best.holds) == ("200 ms of 2 answers", True)
    assert (mean.here, mean.holds) == ("300 ms of 2 answers", True)
    assert commit.holds is True
    assert gpt_4o.latency_rows([FirstSound(after_commit_ms=50, after_speech_ms=None)])[0].holds == "not tested"


class Conversation:
    """Sure of the end two frames after the sound falls silent."""

    def __init__(self) -> None:
        self._num_silent = 0
        self.heard_s = 0.0

    def hear(self, audio: Audio) -> list[float]:
        self.heard_s += audio.duration_s
        self._num_silent = self._num_silent + 1 if float(audio.samples.abs().max()) == 0 else 0
        return [0.99 if self._num_silent >= 2 else 0.0]

    def reply(self, want: str) -> Iterator[AudioDelta]:
        yield AudioDelta(torch.zeros(1), RATE_HZ)


class Omni:
    def __init__(self, has_turn_end: bool) -> None:
        self.vocabulary = SimpleNamespace(has_turn_end=has_turn_end)
        self.conversations: list[Conversation] = []

    def conversation(self) -> Conversation:
        self.conversations.append(Conversation())
        return self.conversations[-1]


def question() -> Audio:
    return Audio(torch.cat([torch.ones(RATE_HZ), torch.zeros(RATE_HZ)]), RATE_HZ)


def test_the_wait_for_the_decision_is_in_the_latency() -> None:
    omni: Any = Omni(has_turn_end=True)
    turns = {"setting": {"threshold": 0.9, "num_frames": 1}}
    assert end_of(question()) == 1.0
    (found,) = measure_first_sounds(omni, [question()], turns=turns)
    assert found.after_speech_ms is not None and found.after_commit_ms < 50
    assert 80 <= found.after_speech_ms < 80 + 100
    assert [conversation.heard_s for conversation in omni.conversations] == pytest.approx([1.08, 1.08])


def test_a_model_without_ends_waits_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_sound, "silero_detector", lambda: lambda audio: 1.5)
    omni: Any = Omni(has_turn_end=False)
    (found,) = measure_first_sounds(omni, [question()], turns={})
    assert found.after_speech_ms is not None and 500 <= found.after_speech_ms < 700
    monkeypatch.setattr(first_sound, "silero_detector", lambda: lambda audio: 0.5)
    (early,) = measure_first_sounds(omni, [question()], turns={})
    assert early.after_speech_ms is None


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def evaluate(omni: Any, **options: Any) -> WorldReport:
        calls.append(options)
        return WorldReport(cells=[CELL])

    omni = SimpleNamespace(
        scores={"cells": [CELL.to_json(), MIXED.to_json()]}, vocabulary=SimpleNamespace(has_turn_end=False)
    )
    measured = [FirstSound(after_commit_ms=50, after_speech_ms=210.0)]
    monkeypatch.setattr(gpt_4o, "Omni", SimpleNamespace(load=lambda name: omni))
    monkeypatch.setattr(gpt_4o, "Listener", SimpleNamespace(load=lambda: None))
    monkeypatch.setattr(gpt_4o, "evaluate", evaluate)
    monkeypatch.setattr(gpt_4o, "spoken_questions", lambda count: [])
    monkeypatch.setattr(gpt_4o, "measure_first_sounds", lambda omni, questions, turns: measured)
    return calls


def test_scores_are_read_unless_they_are_to_be_measured(stand_in: list[dict[str, Any]]) -> None:
    tested = {
        effort: [row.name for row in gpt_4o.reproduce(effort=effort).rows if row.holds != "not tested"]  # type: ignore[arg-type]
        for effort in ("usual", "quick", "full")
    }
    assert tested["usual"][:2] == ["text-to-text, new", "both, new"]
    assert tested["quick"][:1] == tested["full"][:1] == ["text-to-text, new"]
    assert [options.get("cells") for options in stand_in] == [gpt_4o.QUICK_CELLS, None]


def test_the_figure_is_drawn(stand_in: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = gpt_4o.reproduce(out=tmp_path)
    assert (tmp_path / "gpt-4o.png").stat().st_size > 10_000
    assert result.to_json()["holds"] == "not tested" and not result.has_failed
