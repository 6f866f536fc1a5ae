"""`pictures`: captions of pairs that were never drawn in training, on a run of `omniloom train dall-e`.

With --reranker, or of an endpoint, it is another question, of an omni model: are its own drawings right, and is the
best of N of them better? Losses of captions and codecs are no part of that, and cannot be asked through the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport
from omniloom.evaluation.suites.shipped.code import temperature
from omniloom.evaluation.suites.subject import Endpoint
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.evaluation.pictures.painters import Painter

NUM_REQUESTS = 60


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--candidates", type=positive_int, default=32, metavar="N", help="of each caption (default: 32)")
    group.add_argument(
        "--reranker", metavar="FOLDER", help="of an omni checkpoint or an endpoint: choose among its drawings by this"
    )
    group.add_argument(
        "--drawn-at", type=temperature, metavar="T", help="with --reranker or an endpoint: the temperature (default: 1)"
    )


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.pictures import PictureRun, held_out, measured, rows_of

    if job.options.reranker is not None or isinstance(job.subject, Endpoint):
        return _of_replies(job)
    if job.options.drawn_at is not None:
        raise ValueError(
            "--drawn-at is of an omni model's own drawings; give --reranker or --endpoint, or leave it out"
        )
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
    from omniloom.evaluation.pictures.replies import DRAWN, measured_replies, reply_rows
    from omniloom.generation.rerank import Reranker

    options, number = job.options, job.options.candidates
    if options.drawn_at == 0 and number > 1:
        raise ValueError(f"at --drawn-at 0 all {number} candidates are the same; give more than 0, or --candidates 1")
    painter = _painter(job)
    reranker = None if options.reranker is None else Reranker.load(options.reranker)
    settings = {"candidates": number, "temperature": painter.temperature}
    items = job.items(painter.name, **settings, reranker=None if reranker is None else reranker.fingerprint)
    rows = []
    for name in DRAWN:
        found = measured_replies(
            painter, name, job.limit or NUM_REQUESTS, items, reranker=reranker, num_replies=number, seed=job.seed
        )
        rows += reply_rows(
            name, found, num_replies=number, is_ranked=reranker is not None, seed=job.seed, note=painter.note
        )
    return job.report(rows, subject=painter.name, items=items, settings=settings)


def _painter(job: Job) -> Painter:
    """The checkpoint or the endpoint's model as one who draws."""
    from omniloom.evaluation.endpoints import Client
    from omniloom.evaluation.endpoints.talker import ServedOmni
    from omniloom.evaluation.pictures.painters import LoadedPainter, ServedPainter
    from omniloom.generation import Omni

    drawn_at = job.options.drawn_at
    if isinstance(job.subject, Endpoint):
        client = Client(job.endpoint.url, job.endpoint.model, api_key=job.endpoint.api_key)
        return ServedPainter(ServedOmni(client), temperature=drawn_at)
    loaded = Omni.load(job.checkpoint)
    return LoadedPainter(loaded, name=job.checkpoint, temperature=1.0 if drawn_at is None else drawn_at)


SUITE = Suite(
    name="pictures",
    summary="pictures from words: is the caption heeded, is the best of N better by a judge that saw neither",
    needs="a run of omniloom train dall-e, or an omni checkpoint and --reranker; extra eval for an endpoint",
    run=run,
    takes=("checkpoint", "endpoint"),
    add_arguments=add_arguments,
    checkpoint="runs/dall-e",
    limit=None,
)
