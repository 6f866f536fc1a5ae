"""`pictures`: captions of pairs that were never drawn in training, on a run of `omniloom train dall-e`.

With --reranker it is another question, of an omni model: is the best of N of its own drawings better?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport
from omniloom.evaluation.suites.shipped.code import temperature
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

NUM_REQUESTS = 60


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--candidates", type=positive_int, default=32, metavar="N", help="of each caption (default: 32)")
    group.add_argument("--reranker", metavar="FOLDER", help="of an omni checkpoint: choose among its drawings by this")
    group.add_argument(
        "--drawn-at", type=temperature, metavar="T", help="with --reranker: the temperature (default: 1)"
    )


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.pictures import PictureRun, held_out, measured, rows_of

    if job.options.reranker is not None:
        return _of_replies(job)
    if job.options.drawn_at is not None:
        raise ValueError("--drawn-at is of an omni checkpoint's own drawings; give --reranker too, or leave it out")
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


def _of_replies(job: Job) -> SuiteReport:
    from omniloom.evaluation.pictures.replies import DRAWN, Request, drawing_requests, measured_reply, reply_rows
    from omniloom.evaluation.workers.identity import identity
    from omniloom.generation import Omni
    from omniloom.generation.rerank import Reranker

    options = job.options
    omni, reranker = Omni.load(job.checkpoint), Reranker.load(options.reranker)
    number, drawn_at = options.candidates, 1.0 if options.drawn_at is None else options.drawn_at
    settings = {"candidates": number, "temperature": drawn_at}
    items = job.items(f"{identity(omni)}, chosen by {reranker.fingerprint}", **settings)
    rows = []
    for name in DRAWN:
        requests = drawing_requests(name, job.limit or NUM_REQUESTS, seed=job.seed)

        def compute(
            places: list[int], requests: Sequence[Request] = requests
        ) -> Iterator[tuple[int, Mapping[str, Any]]]:
            for place in places:
                yield place, measured_reply(omni, reranker, requests[place], candidates=number, temperature=drawn_at)

        found = items.complete([f"{name} {own.number}" for own in requests], compute, title=name, unit="request")
        rows += reply_rows(name, found, num_replies=number, seed=job.seed)
    return job.report(rows, items=items, settings=settings)


SUITE = Suite(
    name="pictures",
    summary="pictures from words: is the caption heeded, is the best of N better by a judge that saw neither",
    needs="a run of omniloom train dall-e, or an omni checkpoint and --reranker",
    run=run,
    add_arguments=add_arguments,
    checkpoint="runs/dall-e",
    limit=None,
)
