"""The page of systems: all figures come from results, and what is no result is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omniloom.reproductions import reproductions
from omniloom.reproductions.page import page
from omniloom.reproductions.result import Result, Row

DOCS = Path(__file__).parents[2] / "docs"


def saved(folder: Path, *rows: Row, system: str = "winograd") -> None:
    result = Result(
        system=system, paper="A paper", rows=rows, machine="a machine", command=f"omniloom reproduce {system}"
    )
    (folder / f"{system}.json").write_text(json.dumps(result.to_json()))


def row(name: str, here: str | None, *, is_reached: bool = True) -> Row:
    return Row(name=name, paper="2|3 x", bar="1", here=here, is_reached=is_reached)


def test_the_page_in_the_docs_is_that_of_the_results():
    assert (DOCS / "systems.md").read_text(encoding="utf-8") == page(DOCS / "results"), "run make systems"


def test_systems_stand_in_the_catalogues_order_and_an_untested_row_confirms_nothing(tmp_path):
    saved(tmp_path, row("speed", "1.9"), row("error", None))
    saved(tmp_path, row("speed", "1.9"), system="pytorch")
    overview = [line for line in page(tmp_path).splitlines() if line.startswith("| [")]
    names = [name for name in reproductions if name in ("winograd", "pytorch")]
    assert [line.split("]")[0] for line in overview] == [f"| [{name}" for name in names]
    ends = {"winograd": "| 1 of 2 | not tested |", "pytorch": "| 1 of 1 | holds |"}
    assert all(line.endswith(ends[name]) for line, name in zip(overview, names, strict=True))


def test_a_row_that_does_not_hold_is_plain_to_see(tmp_path):
    saved(tmp_path, row("speed", "0.9", is_reached=False))
    assert "| speed | 2\\|3 x | 1 | 0.9 | **does not hold** |" in page(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("winograd", "{", "winograd.json is no result"),
        ("winograd", '{"system": "winograd", "rows": [{}]}', "winograd.json is no result"),
        ("winograd", '{"system": "indirect-convolution", "rows": []}', "name it indirect-convolution.json"),
        ("winogard", '{"system": "winogard", "rows": []}', "winograd"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, name, text, message):
    (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        page(tmp_path)
