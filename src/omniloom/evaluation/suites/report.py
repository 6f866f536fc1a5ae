"""What a suite found, the same for every suite: rows with their interval, and beside them what knowing nothing scores.

Scores are kept to full precision; a report says where and by what command it was made. `details` holds what a suite
measured beyond its rows, in its own form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omniloom.core.timing import machine
from omniloom.evaluation.intervals import MARKS, Method, estimated

COLUMNS = ("suite", "row", "n", "score", "95 % interval", "baseline", "control", "ceiling", "unit", "note")
ABSENT = "–"


@dataclass(frozen=True, kw_only=True)
class SuiteRow:
    """One score over n items, with its 95 % interval and how that was had.

    `baseline` is what knowing nothing of the input scores (chance, the commonest answer, a copy of the source),
    `control` what the model scores where its input was taken away, `ceiling` the best that can be reached; None where
    there is no such thing. `unit` is "share" for a mean of scores in [0, 1]; anything else is shown with it.
    """

    name: str
    n: int
    score: float
    low: float
    high: float
    method: Method = "bootstrap"
    baseline: float | None = None
    control: float | None = None
    ceiling: float | None = None
    unit: str = "share"
    note: str = ""

    @classmethod
    def of_scores(
        cls,
        name: str,
        scores: Sequence[float],
        *,
        seed: int = 0,
        baseline: float | None = None,
        control: float | None = None,
        ceiling: float | None = None,
        unit: str = "share",
        note: str = "",
    ) -> SuiteRow:
        """The mean of items' scores; see `intervals.estimated`.

        Raises:
            ValueError: If there are no scores.
        """
        mean, low, high, method = estimated(scores, seed=seed)
        return cls(
            name=name,
            n=len(scores),
            score=mean,
            low=low,
            high=high,
            method=method,
            baseline=baseline,
            control=control,
            ceiling=ceiling,
            unit=unit,
            note=note,
        )

    @property
    def is_above_baseline(self) -> bool | None:
        """Whether the whole interval lies above the baseline; None without one."""
        return None if self.baseline is None else self.low > self.baseline


@dataclass(frozen=True, kw_only=True)
class SuiteReport:
    """A suite's rows, what was measured with which settings, and where.

    `num_kept` items were taken from a results file, `num_asked` were computed by this run. `view` is the suite's own
    table for people, where it has one; it is no part of the JSON form.
    """

    suite: str
    subject: str
    seed: int
    limit: int | None
    rows: tuple[SuiteRow, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    details: Any = None
    num_kept: int = 0
    num_asked: int = 0
    machine: str = field(default_factory=machine)
    command: str = ""
    view: Any = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        found = {name: value for name, value in vars(self).items() if name not in ("rows", "view")}
        rows = [asdict(row) | {"is_above_baseline": row.is_above_baseline} for row in self.rows]
        return found | {"settings": dict(self.settings), "rows": rows}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SuiteReport:
        rows = tuple(
            SuiteRow(**{name: value for name, value in row.items() if name != "is_above_baseline"})
            for row in data["rows"]
        )
        return cls(**dict(data) | {"rows": rows})

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all."""
        save_reports(path, [self])

    def table(self) -> Any:
        """The suite's own table, or the common one, as a rich renderable."""
        return self.view if self.view is not None else suite_table([self])


def save_reports(path: str | Path, reports: Sequence[SuiteReport]) -> None:
    """Write reports into one JSON file, whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    data = {"reports": [report.to_json() for report in reports]}
    temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(target)


def load_reports(path: str | Path) -> list[SuiteReport]:
    """Read what `save_reports` wrote.

    Raises:
        ValueError: If the file is something else.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return [SuiteReport.from_json(report) for report in found["reports"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no reports ({error!r}); write them with omniloom evaluate --json") from error


def suite_table(reports: Sequence[SuiteReport]) -> Any:
    """Every row of every report in one table, as a rich renderable."""
    from omniloom.evaluation.table import rich_table, with_legend

    subjects = list(dict.fromkeys(report.subject for report in reports))
    rows = [(report.suite, *_shown(row)) for report in reports for row in report.rows]
    used = [place for place in range(len(COLUMNS)) if any(row[place] not in ("", ABSENT) for row in rows)]
    columns = [COLUMNS[place] for place in used]
    table = rich_table(", ".join(subjects), columns, [tuple(row[place] for place in used) for row in rows])
    return with_legend(table, [row.method for report in reports for row in report.rows])


def _shown(row: SuiteRow) -> tuple[str, ...]:
    return (
        row.name,
        str(row.n),
        _number(row.score),
        f"{_number(row.low)}–{_number(row.high)}{MARKS[row.method]}",
        *(ABSENT if value is None else _number(value) for value in (row.baseline, row.control, row.ceiling)),
        row.unit,
        row.note,
    )


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
