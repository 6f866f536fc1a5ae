"""What was not tested neither holds nor breaks a claim; what was tested and fell short breaks it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from omniloom.reproductions import Result, Row, reproductions

GOOD = Row(name="good", paper="fast", bar="≤ 2", here="1", is_reached=True)
BAD = Row(name="bad", paper="fast", bar="≤ 2", here="3", is_reached=False)
UNTESTED = Row(name="untested", paper="fast", bar="≤ 2", here=None, is_reached=True)


def result(*rows: Row) -> Result:
    return Result(system="toy", paper="a paper", rows=rows, machine="a machine", command="omniloom reproduce toy")


@pytest.mark.parametrize(
    ("rows", "holds", "has_failed"),
    [
        ((GOOD,), True, False),
        ((GOOD, BAD), False, True),
        ((GOOD, UNTESTED), "not tested", False),
        ((BAD, UNTESTED), False, True),
        ((), "not tested", False),
    ],
)
def test_a_claim_holds_only_where_every_row_was_tested(
    rows: tuple[Row, ...], holds: bool | str, has_failed: bool
) -> None:
    found = result(*rows)
    assert (found.holds, found.has_failed) == (holds, has_failed)


def test_the_file_has_the_promised_shape(tmp_path: Path) -> None:
    path = result(GOOD, UNTESTED).save(tmp_path / "deep")
    data = json.loads(path.read_text())
    assert path.name == "result.json"
    assert list(data) == ["system", "paper", "holds", "rows", "machine", "command"]
    assert data["rows"][0] == {"name": "good", "paper": "fast", "bar": "≤ 2", "here": "1", "holds": True}
    assert (data["rows"][1]["here"], data["rows"][1]["holds"]) == ("not tested", "not tested")


def test_the_table_says_it_in_words() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(result(GOOD, BAD, UNTESTED).table())
    text = console.export_text()
    assert "does not hold" in text and text.count("not tested") == 1


def test_an_unknown_system_names_the_nearest() -> None:
    assert "gpt-4o" in reproductions.names()
    with pytest.raises(ValueError, match="did you mean 'gpt-4o'"):
        reproductions.get("gpt-4")
