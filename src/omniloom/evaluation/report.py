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
class LanguageScore:
    """One language's part of a row."""

    n: int
    score: float
    ceiling: float


@dataclass(frozen=True, kw_only=True)
class CellScore:
    """A row on a split: the model, what it could reach at best, and what knows nothing of the input.

    `kind` is "cell" for one of the twelve directions, "mixed" for a task of two inputs, "unknown" for what the model
    should say it does not know, "task" for a task alone. `ceiling` is the score of the reference reply after its
    codec's round trip; `majority` that of always giving the most frequent answer, `majority_by_kind` of always giving
    the most frequent one to each kind of question; `shuffled` the model's own when its inputs are another example's,
    `without` when only that one input is. `refused` is the share of the `known` examples, those that have another
    answer, to which the model said that it does not know.
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
    kind: str = "cell"
    majority_by_kind: float | None = None
    without: Mapping[str, float] = field(default_factory=dict)
    known: int = 0
    refused: float = 0.0
    languages: Mapping[str, LanguageScore] = field(default_factory=dict)
    scores: tuple[float, ...] = field(default=(), compare=False, repr=False)
    """Of the examples, where they are at hand; not kept in JSON."""

    @property
    def is_above_controls(self) -> bool:
        """Whether the interval lies wholly above both controls' intervals."""
        low = wilson(self.score, self.n).low
        return all(low > wilson(control, self.n).high for control in (self.majority, self.shuffled))

    @property
    def needs_all_inputs(self) -> bool:
        """Whether without any one input the score falls: clearly, and to no more than can be guessed."""
        guessed = max(self.majority, self.shuffled, self.majority_by_kind or 0.0)
        highest = wilson(guessed, self.n).high
        low = wilson(self.score, self.n).low
        left = [wilson(share, self.n) for share in self.without.values()]
        return bool(left) and all(share.low <= highest and share.high < low for share in left)

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        del found["scores"]
        for name, prefix in (("score", ""), ("majority", "majority_"), ("shuffled", "shuffled_")):
            interval = wilson(found[name], self.n)
            found[f"{prefix}low"], found[f"{prefix}high"] = interval
        found["is_above_controls"] = self.is_above_controls
        if self.without:
            found["needs_all_inputs"] = self.needs_all_inputs
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellScore:
        required = ("name", "input", "output", "split", "n", "score", "ceiling", "majority", "shuffled")
        later = ("kind", "majority_by_kind", "without", "known", "refused")
        tasks = {name: TaskScore(**task) for name, task in data.get("tasks", {}).items()}
        languages = {name: LanguageScore(**found) for name, found in data.get("languages", {}).items()}
        values = {name: data[name] for name in required} | {name: data[name] for name in later if name in data}
        return cls(**values, tasks=tasks, languages=languages)


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
    """Every row that was scored, the human voices, the codecs where they were measured, and how it was run.

    `skipped` says of rows that were not scored why not; `turns` is what `turn_ends` found, as it writes it. `num_kept`
    replies were in a results file, `num_asked` were asked for by this run, which JSON does not tell.
    """

    cells: Sequence[CellScore]
    speakers: Sequence[SpeakerScore] = ()
    codecs: Sequence[Ceiling] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    turns: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    num_kept: int = field(default=0, compare=False)
    num_asked: int = field(default=0, compare=False)

    def of_kind(self, *kinds: str) -> list[CellScore]:
        """The rows of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        return {
            "cells": [cell.to_json() for cell in self.cells],
            "speakers": [speaker.to_json() for speaker in self.speakers],
            "codecs": [asdict(ceiling) for ceiling in self.codecs],
            "skipped": dict(self.skipped),
            "turns": dict(self.turns),
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
            skipped=data.get("skipped", {}),
            turns=data.get("turns", {}),
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
