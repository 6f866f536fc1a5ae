"""The page of all systems, written from their results: what each paper says, what must be reached, what was found.

    python -m omniloom.reproductions.page docs/results docs/systems.md

A result is kept as `NAME.json` in the folder of results, as `omniloom reproduce NAME --out DIR` wrote it. No figure of
the page is typed, and a system that was not run says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omniloom.reproductions.catalogue import reproductions
from omniloom.reproductions.result import NOT_TESTED

HEAD = """# Systems

Published systems that stand in the package, run small by `omniloom reproduce NAME`: what a paper says, the bar, and
what was found. Bars were set before the first run; where what is asked or measured was changed after one, the system's
own page and the [lab notes](lab-notes.md) tell what it was before. A row that a run did not test says so, and confirms
nothing. Those that were not yet run for this page are not on it; `omniloom reproduce --list` tells all.
"""
VERDICTS: Mapping[bool | str, str] = {True: "holds", False: "**does not hold**", NOT_TESTED: NOT_TESTED}


def page(folder: str | Path) -> str:
    """The page as Markdown, of the results in a folder, in the order of the catalogue.

    Raises:
        ValueError: If a file is no result, or of a system that is not there.
    """
    found = {path.stem: _read(path) for path in sorted(Path(folder).glob("*.json"))}
    for name in found:
        reproductions.get(name)
    parts = [HEAD, *_overview(found), *(_section(found[name]) for name in reproductions if name in found)]
    return "\n".join(parts)


def _read(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        system = result["system"]
        for row in result["rows"]:
            _ = row["name"], row["paper"], row["bar"], row["here"], VERDICTS[row["holds"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no result ({error!r}); write it with omniloom reproduce NAME --out DIR") from error
    if system != path.stem:
        raise ValueError(f"{path} is the result of {system!r}; name it {system}.json")
    return result


def _overview(found: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    yield "| System | What it is here | Rows that hold | Claim |"
    yield "|---|---|---|---|"
    for name in reproductions:
        if name in found:
            rows = found[name]["rows"]
            shown = f"{sum(row['holds'] is True for row in rows)} of {len(rows)}"
            what, verdict = _cell(reproductions.get(name).summary), VERDICTS[found[name]["holds"]]
            yield f"| [{name}](#{name}) | {what} | {shown} | {verdict} |"
    yield ""


def _section(result: Mapping[str, Any]) -> str:
    columns = ("name", "paper", "bar", "here")
    rows = [
        f"| {' | '.join(_cell(row[column]) for column in columns)} | {VERDICTS[row['holds']]} |"
        for row in result["rows"]
    ]
    return "\n".join(
        [
            f"## {result['system']}",
            "",
            f"{result['paper']}. `{result['command']}`, on {result['machine']}.",
            "",
            "| What | Paper says | Bar | Here | |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python -m omniloom.reproductions.page RESULTS_FOLDER PAGE.md")
    Path(sys.argv[2]).write_text(page(sys.argv[1]), encoding="utf-8")


if __name__ == "__main__":
    main()
