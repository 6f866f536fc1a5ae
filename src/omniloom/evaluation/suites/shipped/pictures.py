"""`pictures`: captions of pairs that were never drawn in training, on a run of `omniloom train dall-e`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--candidates", type=positive_int, default=32, metavar="N", help="of each caption (default: 32)")


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.pictures import PictureRun, held_out, measured, rows_of

    parts, number = PictureRun.load(job.checkpoint), job.options.candidates
    chosen = held_out(parts, limit=job.limit, seed=job.seed)
    items = job.items(parts.fingerprint, candidates=number)

    def compute(places: list[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        found = measured(parts, [chosen[place] for place in places], seed=job.seed, num_candidates=number)
        yield from zip(places, found, strict=True)

    found = items.complete([item.phrase for item in chosen], compute, title="pictures", unit="caption")
    rows = rows_of(
        found,
        num_candidates=number,
        chance=parts.judge.chance,
        num_codes=parts.dvae.bottleneck.num_codes,
        seed=job.seed,
    )
    return job.report(rows, items=items, settings={"candidates": number}, details=found)


SUITE = Suite(
    name="pictures",
    summary="pictures from words: is the caption heeded, is the best of N better by a judge that saw neither",
    needs="a run of omniloom train dall-e",
    run=run,
    add_arguments=add_arguments,
    checkpoint="runs/dall-e",
    limit=None,
)
