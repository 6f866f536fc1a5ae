"""What a suite is: a name, what it takes, its own options, and a function from a job to a report.

It is plain data and one function, so that a suite fits a file. A module that defines one imports what measures only in
its function: names and options of all suites are shown before anything is loaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.subject import Checkpoint, Endpoint, Subject, SubjectKind, Transformers

DEFAULT_LIMIT = 300


class OptionGroup(Protocol):
    """Where a suite adds its options, as to an argparse group.

    An option that several suites have is one on the command line, each with its own default; it must take the same.
    """

    def add_argument(self, *names: str, **settings: Any) -> None: ...


class Counted(Protocol):
    """`Items`, or what knows as much of them."""

    @property
    def num_kept(self) -> int: ...

    @property
    def num_asked(self) -> int: ...


def no_options(group: OptionGroup) -> None:
    """For suites without options of their own."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One suite to be run once: on what, on how many items, drawn by which seed, with the suite's own options.

    `limit` is None where all items there are should be taken. Finished items go to `results`.
    """

    suite: str
    subject: Subject | None
    limit: int | None
    seed: int
    options: argparse.Namespace
    results: Path | None = None
    command: str = ""

    @property
    def num_items(self) -> int:
        """The limit, of a suite that has one where no number is given."""
        assert self.limit is not None
        return self.limit

    @property
    def checkpoint(self) -> str:
        """The checkpoint's name or folder, for a suite that takes nothing else."""
        assert isinstance(self.subject, Checkpoint)
        return self.subject.source

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint, for a suite that has seen that it is one."""
        assert isinstance(self.subject, Endpoint)
        return self.subject

    @property
    def transformers(self) -> str:
        """The name of the model of transformers, for a suite that has seen that it is one."""
        assert isinstance(self.subject, Transformers)
        return self.subject.source

    def items(self, subject: str, **settings: Any) -> Items:
        """The finished items of this job. `subject` must tell the model from every other, by its weights for instance.

        `settings` are those that an item's value depends on; the seed is always one.

        Raises:
            ValueError: If the file is another evaluation's, or damaged.
        """
        return Items(self.results, suite=self.suite, subject=subject, settings={"seed": self.seed} | settings)

    def report(
        self,
        rows: Sequence[SuiteRow],
        *,
        subject: str | None = None,
        items: Counted | None = None,
        settings: Mapping[str, Any] | None = None,
        details: Any = None,
        view: Any = None,
    ) -> SuiteReport:
        """The report of this job. `subject` is the model's full name where it has one."""
        return SuiteReport(
            suite=self.suite,
            subject=subject or str(self.subject or "–"),
            seed=self.seed,
            limit=self.limit,
            rows=tuple(rows),
            settings=settings or {},
            details=details,
            num_kept=items.num_kept if items is not None else 0,
            num_asked=items.num_asked if items is not None else 0,
            command=self.command,
            view=view,
        )


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Something that `omniloom evaluate` can run.

    `takes` are the kinds of subject that it can measure; none, where it measures no model. `needs` says what must be
    there beyond the package: extras, data. `checkpoint` is what is measured where nothing is named, `limit` how many
    items where no number is given (None: all). `keeps_items` says whether finished items go to a job's `results`.
    """

    name: str
    summary: str
    run: Callable[[Job], SuiteReport]
    takes: tuple[SubjectKind, ...] = ("checkpoint",)
    needs: str = ""
    add_arguments: Callable[[OptionGroup], None] = no_options
    checkpoint: str | None = "tiny"
    limit: int | None = DEFAULT_LIMIT
    keeps_items: bool = True
