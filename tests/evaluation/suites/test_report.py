"""Rows and reports: the interval that they claim, and the way through JSON and back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.suites import SuiteReport, SuiteRow, load_reports, save_reports, suite_table


def report(suite: str = "sums", **changes: object) -> SuiteReport:
    rows = (
        SuiteRow.of_scores("mixed", [0.0, 1.0] * 20, baseline=0.1, note="a note"),
        SuiteRow.of_scores("all right", [1.0] * 8, ceiling=1.0),
        SuiteRow.of_scores("seconds", [3.0, 4.0, 5.0], unit="s"),
    )
    settings = {"largest": 9, "names": ["é"]}
    own = {"suite": suite, "subject": "tiny", "seed": 3, "limit": 40, "rows": rows, "settings": settings} | changes
    return SuiteReport(**own)  # type: ignore[arg-type]


def test_reports_come_back_from_json(tmp_path: Path) -> None:
    reports = [report(details={"more": [1.5, None]}, num_kept=3, num_asked=4, command="omniloom evaluate"), report("b")]
    save_reports(tmp_path / "folder" / "both.json", reports)
    assert load_reports(tmp_path / "folder" / "both.json") == reports
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["both.json"]
    first = json.loads((tmp_path / "folder" / "both.json").read_text())["reports"][0]["rows"][0]
    assert first["is_above_baseline"] is True and first["method"] == "bootstrap" and first["n"] == 40


@pytest.mark.parametrize(
    "data", ["", "[]", "{}", '{"reports": [{"suite": "a"}]}', '{"reports": [{"rows": [{"x": 1}]}]}']
)
def test_other_files_are_no_reports(tmp_path: Path, data: str) -> None:
    (tmp_path / "a.json").write_text(data)
    with pytest.raises(ValueError, match=r"a.json holds no reports"):
        load_reports(tmp_path / "a.json")


def test_a_score_without_spread_claims_no_certainty() -> None:
    row = SuiteRow.of_scores("all right", [1.0] * 8)
    assert (row.score, row.low, row.high) == (1.0, *wilson(1.0, 8)) and row.method == "Wilson"
    assert SuiteRow.of_scores("alike", [3.0, 3.0], unit="s").method == "none"
    with pytest.raises(ValueError, match="needs at least one item, got none"):
        SuiteRow.of_scores("none", [])


def test_one_table_shows_every_row_and_marks_whose_interval_it_is() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(suite_table([report(), report("b")]))
    text = console.export_text()
    assert text.count("all right") == 2 and "0.676–1.000 ʷ" in text and "Wilson's interval" in text
    assert "control" not in text and "ceiling" in text
