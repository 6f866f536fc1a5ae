"""Any problem of pairs as conversations among the others: what an omni model learns it from.

    omniloom train finetune --set mix.pairs=PairsProblem.Config --set mix.pairs.problem=scan_simple

It is one problem whatever pairs it holds, for a mix names its problems by fields and pairs are a user's own as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omniloom.data.problems.base import Example, Split, problems
from omniloom.data.problems.pairs.base import pair_problem
from omniloom.data.problems.pairs.user_file import run_user_file


@problems.register("pairs")
class PairsProblem:
    """The pairs of one problem, each a question and its answer."""

    name = "pairs"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Which problem, how often it is drawn, and the longest pair, both sides together.

        `user_file` registers a problem of the user's own.
        """

        problem: str = "scan_simple"
        weight: float = 10.0
        max_letters: int = 600
        user_file: Path | None = None

    def __init__(self, config: PairsProblem.Config | None = None) -> None:
        self.config = config or self.Config()
        if self.config.user_file is not None:
            run_user_file(self.config.user_file)
        limits = {"weight": self.config.weight, "max_letters": self.config.max_letters}
        self.pairs = pair_problem(self.config.problem, **limits)
        self.tasks = self.pairs.tasks

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The pair at an index.

        Raises:
            ValueError: If there is no such split or task, or no pair is short enough.
        """
        return self.pairs.example(split, index, task)
