"""What a reproduction found: rows of *paper says / bar / here*, and whether the claim holds.

A row that was not tested says so and never holds: it neither confirms the claim nor breaks it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from omniloom.core.timing import machine as machine

Verdict = bool | Literal["not tested"]
NOT_TESTED: Literal["not tested"] = "not tested"

COLUMNS = ("what", "paper says", "bar", "here", "holds")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One claim: what the paper says, what must be reached here, and what was; `here` is None where nothing was."""

    name: str
    paper: str
    bar: str
    here: str | None
    is_reached: bool = False

    @property
    def holds(self) -> Verdict:
        return NOT_TESTED if self.here is None else self.is_reached

    def to_json(self) -> dict[str, Any]:
        here = NOT_TESTED if self.here is None else self.here
        return {"name": self.name, "paper": self.paper, "bar": self.bar, "here": here, "holds": self.holds}


@dataclass(frozen=True, kw_only=True)
class Result:
    """A system's rows and how they were had."""

    system: str
    paper: str
    rows: Sequence[Row]
    machine: str
    command: str

    @classmethod
    def of_run(cls, system: str, *, paper: str, rows: Sequence[Row], effort: str, options: str = "") -> Result:
        """With this machine, and the command that makes it again."""
        option = "" if effort == "usual" else f" --{effort}"
        command = f"omniloom reproduce {system}{option}{options}"
        return cls(system=system, paper=paper, rows=rows, machine=machine(), command=command)

    @property
    def has_failed(self) -> bool:
        """Whether a row that was tested does not hold."""
        return any(row.holds is False for row in self.rows)

    @property
    def holds(self) -> Verdict:
        """True only where every row was tested and holds."""
        if self.has_failed:
            return False
        if self.rows and all(row.holds is True for row in self.rows):
            return True
        return NOT_TESTED

    def to_json(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "paper": self.paper,
            "holds": self.holds,
            "rows": [row.to_json() for row in self.rows],
            "machine": self.machine,
            "command": self.command,
        }

    def save(self, folder: str | Path) -> Path:
        """Write result.json into a folder."""
        target = Path(folder) / "result.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        return target

    def table(self) -> Table:
        table = Table(title=f"{self.system}: {self.paper}", title_justify="left")
        for column in COLUMNS:
            # Folded, for in a narrow terminal a word that does not fit would be cut off.
            table.add_column(column, overflow="fold")
        for row in self.rows:
            shown = {True: "holds", False: "does not hold", NOT_TESTED: NOT_TESTED}[row.holds]
            table.add_row(row.name, row.paper, row.bar, "–" if row.here is None else row.here, shown)
        return table
