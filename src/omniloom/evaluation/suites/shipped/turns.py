"""`turns`: how well the model hears that the other has finished, beside silero on the same sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.evaluation.turn_ends import TurnScore


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--figure", type=Path, metavar="FILE", help="draw cut-ins against missed ends")


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.turn_ends import draw_turns, measure_turns
    from omniloom.evaluation.workers import identity
    from omniloom.generation import Omni

    omni = Omni.load(job.checkpoint)
    items = job.items(identity(omni))
    report = measure_turns(omni, limit=job.num_items, seed=job.seed, kept=items)
    if job.options.figure is not None:
        draw_turns(report.to_json(), job.options.figure)
    rows = [row for score in report.scores for row in _rows(score)]
    return job.report(rows, items=items, settings=report.settings, details=report.to_json(), view=report.table())


def _rows(score: TurnScore) -> list[SuiteRow]:
    """Less is better of cut-ins and missed ends, more of those within 160 ms; none has a baseline but silero's rows."""
    shares = {
        "cut-ins": score.cut_ins,
        "missed ends": score.missed,
        "within 160 ms": score.within_160_ms,
    }
    return [
        SuiteRow(
            name=f"{what}, {score.detector}, {score.language}",
            n=score.n,
            score=share,
            low=wilson(share, score.n).low,
            high=wilson(share, score.n).high,
            method="Wilson",
            note="more is better" if what == "within 160 ms" else "less is better",
        )
        for what, share in shares.items()
    ]


SUITE = Suite(
    name="turns",
    summary="when the model hears that a turn has ended: cut-ins, missed ends and delay, beside silero",
    needs="extra serve",
    run=run,
    add_arguments=add_arguments,
)
