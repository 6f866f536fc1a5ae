"""What an evaluation found, as values: what is written to JSON, printed as a table and put into a model card.

Scores are kept to full precision here and rounded only where people read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omniloom.evaluation.intervals import wilson


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task's part of a cell; `parts` is what was right of replies that are not right in whole."""

    n: int
    score: float
    ceiling: float
    parts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class CellScore:
    """A direction on a split: the model, what it could reach at best, and what knows nothing of the input.

    `ceiling` is the score of the reference reply after its codec's round trip; `majority` that of always giving the
    most frequent answer; `shuffled` the model's own when its input is another example's.
    """

    name: str
    input: str
    output: str
    split: str
    n: int
    score: float
    ceiling: float
    majority: float
    shuffled: float
    tasks: Mapping[str, TaskScore]

    @property
    def is_above_controls(self) -> bool:
        """Whether the interval lies wholly above both controls' intervals."""
        low = wilson(self.score, self.n).low
        return all(low > wilson(control, self.n).high for control in (self.majority, self.shuffled))

    def to_json(self) -> dict[str, Any]:
        found = {key: value for key, value in asdict(self).items() if key != "tasks"}
        for name, prefix in (("score", ""), ("majority", "majority_"), ("shuffled", "shuffled_")):
            interval = wilson(found[name], self.n)
            found[f"{prefix}low"], found[f"{prefix}high"] = interval
        found["is_above_controls"] = self.is_above_controls
        found["tasks"] = {name: asdict(task) for name, task in self.tasks.items()}
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellScore:
        names = ("name", "input", "output", "split", "n", "score", "ceiling", "majority", "shuffled")
        tasks = {name: TaskScore(**task) for name, task in data.get("tasks", {}).items()}
        return cls(**{name: data[name] for name in names}, tasks=tasks)


@dataclass(frozen=True, kw_only=True)
class SpeakerScore:
    """Digits of one human voice: how many of its held-out takes were named right, in writing and in speech."""

    speaker: str
    n: int
    written: float
    spoken: float

    def to_json(self) -> dict[str, Any]:
        low, high = wilson(self.written, self.n)
        return asdict(self) | {"low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How many of n were read right as they are (the reader's own ceiling) and after a codec's round trip."""

    codec: str
    what: str
    n: int
    direct: float
    after: float


@dataclass(frozen=True, kw_only=True)
class WorldReport:
    """Every cell that was scored, the human voices, the codecs where they were measured, and how it was run."""

    cells: Sequence[CellScore]
    speakers: Sequence[SpeakerScore] = ()
    codecs: Sequence[Ceiling] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "cells": [cell.to_json() for cell in self.cells],
            "speakers": [speaker.to_json() for speaker in self.speakers],
            "codecs": [asdict(ceiling) for ceiling in self.codecs],
            "settings": dict(self.settings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WorldReport:
        return cls(
            cells=[CellScore.from_json(cell) for cell in data["cells"]],
            speakers=[
                SpeakerScore(**{name: speaker[name] for name in ("speaker", "n", "written", "spoken")})
                for speaker in data.get("speakers", [])
            ],
            codecs=[Ceiling(**ceiling) for ceiling in data.get("codecs", [])],
            settings=data.get("settings", {}),
        )

    @classmethod
    def load(cls, path: str | Path) -> WorldReport:
        """Read what `save` wrote.

        Raises:
            ValueError: If the file is not a world report.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a world report ({error!r}); write one with --json") from error

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        temporary.replace(target)

    def table(self) -> Any:
        """The report as a rich renderable."""
        from omniloom.evaluation.table import world_table

        return world_table(self)
