"""Finished items, a JSON line each, written as they finish: what a stopped run goes on from.

A line says which model was asked, and carries a digest of the prompt, so neither another model's answer nor one to an
item that has changed since is ever taken for this run's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from omniloom.evaluation.suites.lines import Lines

OPENING = b'{"model": "'
"""What the first line of such a file begins with."""


class Key(NamedTuple):
    """Which item, by its number in the task, asked how; `shots` as they were asked for.

    `search` says how a written answer was found, where that was not by the likeliest token everywhere; `form` whether
    demonstrations stood in one text.
    """

    task: str
    shots: str
    seed: int
    number: int
    search: str = ""
    form: str = "text"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One item's answer and score; `num_shots` is how many demonstrations there were."""

    model: str
    task: str
    shots: str
    seed: int
    number: int
    prompt: str
    num_shots: int
    fits: bool
    given: str
    score: float
    option_scores: tuple[float, ...] = ()
    search: str = ""
    form: str = "text"

    @property
    def key(self) -> Key:
        return Key(self.task, self.shots, self.seed, self.number, self.search, self.form)


def digest(prompt: str) -> str:
    """Sixteen digits that change with the prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


class Records:
    """The finished items of a file, or of this run alone where there is no file."""

    def __init__(self, path: Path | None, *, model: str) -> None:
        """
        Raises:
            ValueError: If the file holds another model's answers, or is broken elsewhere than in its last line.
        """
        self._path, self._lines = path, None if path is None else Lines(path)
        self._found: dict[Key, Record] = {}
        for record in _read(self._lines) if self._lines is not None else ():
            if record.model != model:
                raise ValueError(
                    f"{path} holds answers of the model {record.model!r}, this is {model!r}; give another results file"
                )
            self._found[record.key] = record
        if self._lines is not None:
            self._lines.cut()

    def get(self, key: Key, prompt: str) -> Record | None:
        """The finished item, if it is.

        Raises:
            ValueError: If it was another prompt then.
        """
        found = self._found.get(key)
        if found is not None and found.prompt != digest(prompt):
            raise ValueError(
                f"{self._path} answers another prompt for item {key.number} of {key.task} with {key.shots} shots: the "
                "task's data or form has changed; give another results file"
            )
        return found

    def add(self, record: Record) -> None:
        """Keep one more; it is in the file when this returns."""
        if self._lines is not None:
            self._lines.append([asdict(record)])
        self._found[record.key] = record


def _read(lines: Lines) -> list[Record]:
    """The records of a file; a last line that is torn is asked again."""
    if not lines.whole and not lines.torn.startswith(OPENING[: len(lines.torn)]):
        raise ValueError(f"{lines.path} is no file of finished items; give another --results")
    found = []
    for number, line in enumerate(lines.whole, start=1):
        try:
            values = json.loads(line)
            found.append(Record(**values | {"option_scores": tuple(values["option_scores"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{lines.path} is damaged at line {number} ({error}); delete that line, and its item is asked again, "
                "or give another --results"
            ) from error
    return found
