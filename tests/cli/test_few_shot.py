"""`omniloom evaluate few-shot`: what its options ask for, and one line for each that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omniloom.cli import main
from omniloom.evaluation.few_shot import Constant, Item, Options, Task, add_task, load_records
from omniloom.evaluation.suites.shipped import few_shot

add_task(
    Task(
        name="test-cli",
        load=lambda split: [
            Item(
                context=f"is {number} the first of the two words that follow here:",
                answers=(" a",),
                options=(" a", " b"),
            )
            for number in (range(8) if split == "test" else range(10, 14))
        ],
        answering=Options(),
        shots=2,
    )
)


@pytest.fixture
def constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_shot, "language_model", lambda job: Constant())


@pytest.mark.usefixtures("constant")
def test_it_runs_the_tasks_and_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--results", str(tmp_path / "items.jsonl"), "--json", str(tmp_path / "report.json")]
    chosen = ["--tasks", "test-cl*", "--shots", "0", "few", "max", "--limit", "5", "--seed", "3"]
    assert main(["evaluate", "few-shot", *chosen, *files]) == 0
    assert "test-cli" in capsys.readouterr().out
    (report,) = json.loads((tmp_path / "report.json").read_text())["reports"]
    assert [(row["name"], row["score"], row["baseline"]) for row in report["rows"]] == [
        (f"test-cli, {shots} shots", 1.0, 0.5) for shots in ("0", "few", "max")
    ]
    rows = report["details"]["rows"]
    assert [(row["shots"], row["num_shots"], row["n"], row["score"]) for row in rows] == [
        ("0", 0.0, 5, 1.0),
        ("few", 2.0, 5, 1.0),
        ("max", 4.0, 5, 1.0),
    ]
    assert len(load_records(tmp_path / "items.jsonl")) == report["num_asked"] == 15


def test_it_tells_what_stands_in_training_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("So: is 3 the first of the two words that follow here? A. And so on.")
    arguments = ["--tasks", "test-cli", "--seen", str(tmp_path), "--json", str(tmp_path / "seen.json")]
    assert main(["evaluate", "few-shot", *arguments]) == 0
    (report,) = json.loads((tmp_path / "seen.json").read_text())["reports"]
    assert [(row["n"], row["score"]) for row in report["rows"]] == [(8, 0.125)]
    assert report["details"]["test-cli"] == {"found": [3], "num_looked_for": 8, "num_short": 0, "share": 0.125}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["few-shot", "--tasks", "cloz"], "unknown few-shot task 'cloz'; did you mean 'cloze'?"),
        (["few-shot", "--shots", "some"], "--shots: must be a number from 0 on, few or max, got 'some'"),
        (["few-shot", "--cells", "x"], "--cells belongs to world; leave it out for few-shot"),
        (["few-shot", "--task-file", "nowhere.py"], "nowhere.py is no Python file; give one that calls add_task"),
        (["few-shot", "--hf", "x", "--endpoint", "y"], "--hf x and --endpoint y are 2 models; give one"),
        (
            ["few-shot", "--endpoint", "y"],
            "an endpoint and its model go together: give --endpoint URL and --model NAME",
        ),
        (["few-shot", "--context", "9"], "--interface and --context belong to an --endpoint; leave them out"),
        (["few-shot", "--seen", "nowhere"], "there is no nowhere; give text files, or folders of them"),
        (["world", "--shots", "1", "--hf", "x"], "--shots belongs to few-shot and lm-eval; leave it out for world"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [] if "--tasks" in arguments or arguments[0] == "world" else ["--tasks", "test-cli"]
    assert main(["evaluate", *arguments, *tasks]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("suite", "option", "told"),
    [
        ("few-shot", "--task-file", "mine.py:2 failed: ZeroDivisionError: float division by zero; mend it"),
        ("sums", "--suite-file", "mine.py:2 failed: ZeroDivisionError: float division by zero; mend it"),
    ],
)
def test_a_file_of_ones_own_that_fails_is_told_by_its_line(
    suite: str, option: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("import math\nmath.inf / 0\n")
    assert main(["evaluate", suite, option, str(tmp_path / "mine.py")]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


UNANSWERED = """
from omniloom.evaluation.few_shot import FreeForm, Item, Task, add_task

add_task(Task(name="test-unanswered", load=lambda split: [Item(context="why?", answers=())], answering=FreeForm()))
"""


@pytest.mark.usefixtures("constant")
def test_a_task_without_answers_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(UNANSWERED)
    assert main(["evaluate", "few-shot", "--task-file", str(tmp_path / "mine.py")]) == 2
    assert "item 0 of test of task test-unanswered, 'why?', has no answer; give at least" in capsys.readouterr().err


@pytest.mark.usefixtures("constant")
def test_a_damaged_or_missing_data_file_is_one_line_and_costs_nothing_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("offline")))
    results = tmp_path / "items.jsonl"
    command = ["evaluate", "few-shot", "--shots", "0", "--results", str(results), "--tasks"]
    assert main([*command, "test-cli"]) == 0
    kept = results.read_text()
    assert main([*command, "test-cli,gsm8k"]) == 2
    assert "could not be downloaded (offline); connect to the network, or put the data" in capsys.readouterr().err
    damaged = tmp_path / "data" / "gsm8k" / "grade_school_math" / "data" / "test.jsonl"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    assert main([*command, "test-cli,gsm8k"]) == 2
    assert "test.jsonl has the checksum" in capsys.readouterr().err
    assert results.read_text() == kept and len(load_records(results)) == 8
