"""What a few-shot run found, as values: written to JSON, and printed as a table with chance beside every score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omniloom.evaluation.intervals import MARKS, Method
from omniloom.evaluation.table import rich_table, share, with_legend

COLUMNS = ("task", "shots", "n", "metric", "score", "95 %", "chance", "above", "notes")


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task with one number of shots, as a share of 1, with its 95 % interval and how that was had.

    `shots` is what was asked for and `num_shots` what the prompts held on average. `num_too_long` items did not fit
    even without demonstrations and count as wrong.
    """

    task: str
    shots: str
    num_shots: float
    n: int
    metric: str
    score: float
    low: float
    high: float
    chance: float
    num_too_long: int = 0
    groups: Mapping[str, float] = field(default_factory=dict)
    signature: str = ""
    method: Method = "bootstrap"

    @property
    def is_above_chance(self) -> bool:
        return self.low > self.chance

    @property
    def notes(self) -> str:
        parts = [f"{name} {share(score)}" for name, score in self.groups.items()]
        parts += [f"{self.num_too_long} too long"] if self.num_too_long else []
        return ", ".join([*parts, *([self.signature] if self.signature else [])])


@dataclass(frozen=True, kw_only=True)
class FewShotReport:
    """Every task with every number of shots; `num_kept` items were in the results file, `num_asked` were not."""

    model: str
    rows: tuple[TaskScore, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    num_kept: int = field(default=0, compare=False)
    num_asked: int = field(default=0, compare=False)

    def to_json(self) -> dict[str, Any]:
        rows = [asdict(row) | {"is_above_chance": row.is_above_chance} for row in self.rows]
        return {"model": self.model, "settings": dict(self.settings), "rows": rows}

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(target)

    def table(self) -> Any:
        """The report as a rich renderable."""
        rows = [
            (
                row.task,
                row.shots if row.shots.isdigit() else f"{row.shots} ({row.num_shots:.3g})",
                str(row.n),
                row.metric,
                share(row.score),
                f"{share(row.low)}–{share(row.high)}{MARKS[row.method]}",
                share(row.chance),
                "yes" if row.is_above_chance else "no",
                row.notes,
            )
            for row in self.rows
        ]
        table = rich_table(f"Few-shot: {self.model}", COLUMNS, rows)
        return with_legend(table, [row.method for row in self.rows])
