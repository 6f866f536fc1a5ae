"""The finished items of a run as records, kept as every suite's are (`suites.items`): what a stopped run goes on from.

The file says which model was asked and by which seed, and a record carries a digest of its prompt, so neither another
model's answer nor one to an item that has changed since is ever taken for this run's. Several tasks, numbers of shots,
searches and forms may stand in one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omniloom.evaluation.suites.items import Items, read_items

SUITE = "few-shot"


class Key(NamedTuple):
    """Which item, by its number in the task, asked how; `shots` as they were asked for.

    `search` says how a written answer was found, where that was not by the likeliest token everywhere; `form` whether
    demonstrations stood in one text.
    """

    task: str
    shots: str
    number: int
    search: str = ""
    form: str = "text"

    @property
    def told(self) -> str:
        """As it stands in the file."""
        return ", ".join(filter(None, [f"{self.task} {self.number}", f"{self.shots} shots", self.search, self.form]))


@dataclass(frozen=True, kw_only=True)
class Record:
    """One item's answer and score; `num_shots` is how many demonstrations there were."""

    task: str
    shots: str
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
        return Key(self.task, self.shots, self.number, self.search, self.form)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Record:
        """From what a file keeps of it."""
        return cls(**dict(value) | {"option_scores": tuple(value["option_scores"])})


def digest(prompt: str) -> str:
    """Sixteen digits that change with the prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def load_records(path: str | Path) -> list[Record]:
    """What `evaluate_few_shot` has kept in a file of results, in the order in which it was answered.

    Raises:
        ValueError: If there is no such file, it is damaged, or another suite's.
    """
    return [Record.of(value) for value in read_items(path, suite=SUITE).values()]


class Records:
    """The finished items of a file, or of this run alone where there is no file."""

    def __init__(self, path: Path | None, *, model: str, seed: int) -> None:
        """
        Raises:
            ValueError: If the file holds another model's answers or another seed's, or is damaged elsewhere than at
                its end.
        """
        self._items = Items(path, suite=SUITE, subject=model, settings={"seed": seed})

    @property
    def num_kept(self) -> int:
        """How many stood in the file, whether or not this run asks for them."""
        return self._items.num_kept

    @property
    def num_asked(self) -> int:
        return self._items.num_asked

    def get(self, key: Key, prompt: str) -> Record | None:
        """The finished item, if it is.

        Raises:
            ValueError: If it was another prompt then.
        """
        value = self._items.get(key.told)
        if value is None:
            return None
        found = Record.of(value)
        if found.prompt != digest(prompt):
            raise ValueError(
                f"{self._items.path} answers another prompt for item {key.number} of {key.task} with {key.shots} "
                "shots: the task's data or form has changed; give another --results"
            )
        return found

    def add(self, record: Record) -> None:
        """Keep one more; it is in the file when this returns."""
        self._items.add(record.key.told, asdict(record))
