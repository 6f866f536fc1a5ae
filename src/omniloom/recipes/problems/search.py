"""A random search: so many draws from a set's ranges, each a run of its own, compared on the development split.

    omniloom train --problem P --hparams H --ranges transformer_base_range --search 20 --out runs/search

Draw number n of a seed is the same whenever it is made, so a search that was stopped goes on, and one of 20 draws
begins with the 10 of a shorter one. The test split takes no part in the choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniloom.recipes.problems.run import CHECKPOINT, evaluations, train_problem
from omniloom.training.seq2seq.ranges import Ranges, draw

PREFIX = "training.hparams."
"""Where a set's settings stand in a run."""

RESULT = "search.json"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One run of a search: its settings, and the best development score with its step."""

    number: int
    settings: dict[str, str]
    score: float
    step: int
    metric: str


def search(
    configure: Callable[[Mapping[str, str]], Any], ranges: Ranges, *, count: int, seed: int, out: Path
) -> list[Draw]:
    """Train the draws that are not trained yet, in folders `draw-NNN`; all of them, best first.

    Args:
        configure: The run with settings changed by path.

    Raises:
        ValueError: If a run or its settings are bad.
        KeyboardInterrupt: If it was asked to stop; the draw's checkpoint is written.
    """
    found = []
    for number in range(count):
        drawn = draw(ranges, number=number, seed=seed)
        folder = out / f"draw-{number:03d}"
        if not (folder / CHECKPOINT).is_dir():
            shown = ", ".join(f"{path} {value}" for path, value in drawn.items())
            print(f"draw {number + 1} of {count}: {shown}", flush=True)
            config = configure({PREFIX + path: value for path, value in drawn.items()})
            train_problem(config, out=folder, is_resuming=folder.is_dir())
        best = max(evaluations(folder), key=lambda line: line["score"])
        found.append(Draw(number=number, settings=drawn, score=best["score"], step=best["step"], metric=best["metric"]))
    ranked = sorted(found, key=lambda own: (-own.score, own.number))
    lines = [{"draw": own.number, "score": own.score, "step": own.step, **own.settings} for own in ranked]
    (out / RESULT).write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    return ranked


def table(ranked: list[Draw]) -> str:
    """The draws as lines, best first."""
    paths = list(ranked[0].settings)
    head = ["draw", f"dev {ranked[0].metric}", "step", *paths]
    rows = [
        [str(own.number), f"{own.score:.2f}", str(own.step), *(own.settings[path] for path in paths)] for own in ranked
    ]
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return "".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + "\n" for row in [head, *rows]
    )
