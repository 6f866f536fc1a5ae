"""The options of suites that score the world: how many processes share the rows, and who judges speech."""

from __future__ import annotations

from pathlib import Path

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.suite import OptionGroup

MOST_PROCESSES = 16
"""Unless more are asked for: each holds a model, and of 54 rows in all the longest would leave the others idle."""


def add_processes(group: OptionGroup) -> None:
    """`--processes` and `--listener`."""
    group.add_argument(
        "--processes",
        type=positive_int,
        metavar="N",
        help="score in so many (default: one a core, 16 at most; 1 with a GPU)",
    )
    add_listener(group)


def add_listener(group: OptionGroup) -> None:
    """`--listener`."""
    group.add_argument("--listener", type=Path, metavar="FOLDER", help="judge speech by this one, not the shipped one")


def num_processes(chosen: int | None) -> int:
    """As many as were asked for, or one a core; a GPU is one model's."""
    import torch

    from omniloom.core.processes import num_cores

    return chosen or (1 if torch.cuda.is_available() else min(num_cores(), MOST_PROCESSES))
