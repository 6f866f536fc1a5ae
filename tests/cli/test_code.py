"""`omniloom evaluate code`: a run from a file to a report and a figure, and one line for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omniloom.cli import main
from omniloom.evaluation.code import attacks
from omniloom.evaluation.suites import load_reports
from omniloom.sandbox import Sandbox, SandboxUnavailable

ROW = {
    "task_id": "mine/1",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(f):\n    assert f(2) == 4\n",
    "entry_point": "double",
}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    try:
        Sandbox().close()
    except SandboxUnavailable as error:
        pytest.skip(f"no containment here: {error}")
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"task_id": "mine/2"}) + "\n")
    return path


def test_a_file_of_problems_becomes_a_report_and_a_figure(problems: Path, tmp_path: Path) -> None:
    files = ["--json", str(tmp_path / "code.json"), "--results", str(tmp_path / "items.jsonl")]
    files += ["--figure", str(tmp_path / "code.png")]
    chosen = ["--problems", str(problems), "--samples", "3", "--temperatures", "0.5", "1", "--max-tokens", "4"]
    assert main(["evaluate", "code", "--checkpoint", "tiny", *chosen, *files]) == 0
    (report,) = load_reports(tmp_path / "code.json")
    assert {row.name for row in report.rows} == {
        "pass@1, T 0.5", "pass@1, T 1", "1 of 3 by mean log-probability, T 0.5", "1 of 3 by mean log-probability, T 1",
    }  # fmt: skip
    assert all(row.n == 2 for row in report.rows) and report.num_asked > 12
    assert set(report.details["curves"]["1"]) == {"1", "2", "3"}
    assert (tmp_path / "code.png").stat().st_size > 5_000
    assert main(["evaluate", "code", "--checkpoint", "tiny", *chosen, *files]) == 0
    (again,) = load_reports(tmp_path / "code.json")
    assert again.rows == report.rows and again.num_asked == 0 and again.num_kept == report.num_asked


def test_controls_are_reported(problems: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = attacks.run_attacks(["network by socket", "verdict: exit at once"])
    monkeypatch.setattr(attacks, "run_attacks", lambda: few)
    path = tmp_path / "controls.json"
    assert main(["evaluate", "code-controls", "--controls", "attacks", "--json", str(path)]) == 0
    (report,) = load_reports(path)
    assert [(row.name, row.score, row.n) for row in report.rows] == [("attacks contained and failed", 1.0, 2)]
    assert report.details["attacks"]["network by socket"]["contained"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--problems", "humaneval"],
            "--problems must be one of human-eval, mbpp, generated, generated-longer or a file",
        ),
        (["--problems", "generated", "--temperatures", "-1"], "--temperatures"),
        (["--problems", "generated", "--temperatures", "0", "1"], "at temperature 0 all samples are the same one"),
        (["--problems", "generated", "--bare"], "--interface and --bare belong to an --endpoint; leave them out"),
        (["--problems", "generated", "--samples", "0"], "--samples: must be a whole number above 0, got '0'"),
        (["--problems", "generated", "--hf", "gpt2"], "code cannot measure the transformers gpt2"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "code", "--limit", "1", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_where_nothing_contains_programs_it_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a kernel without user namespaces: the server starts, says so and ends."""
    monkeypatch.setattr(Sandbox, "_begin", lambda self, *, uncontained: {"refused": "no namespaces"})
    (tmp_path / "mine.jsonl").write_text(json.dumps(ROW) + "\n")
    results = tmp_path / "items.jsonl"
    chosen = ["--problems", str(tmp_path / "mine.jsonl"), "--samples", "1", "--results", str(results)]
    assert main(["evaluate", "code", *chosen]) == 2
    error = capsys.readouterr().err
    assert "does not contain untrusted programs: no namespaces" in error and "--allow-uncontained" in error
    assert error.count("\n") == 1 and not results.exists()
    assert main(["evaluate", "code-controls", "--controls", "attacks"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
