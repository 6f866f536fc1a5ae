"""`world`: the twelve cells and the mixed tasks, each on two splits that training never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniloom.evaluation.intervals import Estimate, estimated, wilson
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.shipped.processes import add_processes, num_processes
from omniloom.evaluation.suites.subject import Endpoint
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.evaluation.endpoints.talker import ServedOmni
    from omniloom.evaluation.report import CellScore, WorldReport


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--cells", nargs="+", metavar="CELL", help="only these, as audio-to-text (default: everything)")
    group.add_argument("--tasks", metavar="A,B", help="only these single tasks, beside --cells where given")
    group.add_argument("--splits", nargs="+", choices=("new", "composed"), help="only these (default: both)")
    group.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="of the model (default: float32)"
    )
    group.add_argument("--no-speakers", action="store_true", help="leave out the digits said by people")
    add_processes(group)


def run(job: Job) -> SuiteReport:
    from omniloom.data.speech.listener import Listener
    from omniloom.evaluation.workers import row_workers
    from omniloom.evaluation.world import TESTED_SPLITS, evaluate
    from omniloom.generation import Omni

    options = job.options
    asked = {
        "limit": job.num_items,
        "cells": options.cells,
        "tasks": None if options.tasks is None else options.tasks.split(","),
        "splits": options.splits or TESTED_SPLITS,
        "seed": job.seed,
        "listener": Listener.load(options.listener),
        "results": job.results,
        "speakers": not options.no_speakers,
    }
    if isinstance(job.subject, Endpoint):
        return world_report(job, evaluate(_served(job), **asked))
    with row_workers(
        job.checkpoint, options.listener, num_processes(options.processes), precision=options.precision
    ) as pool:
        report = evaluate(Omni.load(job.checkpoint, precision=options.precision), pool=pool, **asked)
    return world_report(job, report)


def _served(job: Job) -> ServedOmni:
    """The endpoint's model.

    Raises:
        ValueError: If an option is one of a loaded model's, the key is refused, or no such model is served.
        ConnectionError: If the endpoint does not answer.
    """
    from omniloom.evaluation.endpoints import Client
    from omniloom.evaluation.endpoints.talker import ServedOmni

    if job.options.processes or job.options.precision != "float32":
        raise ValueError("--processes and --precision belong to a checkpoint; leave them out for an endpoint")
    client = Client(job.endpoint.url, job.endpoint.model, api_key=job.endpoint.api_key)
    client.facts()
    return ServedOmni(client)


def world_report(job: Job, report: WorldReport) -> SuiteReport:
    """The rows of a report on the world, and the whole of it as details."""
    return job.report(
        [*(_row(cell, job.seed) for cell in report.cells), *_voices(report)],
        items=report,
        settings=report.settings,
        details=report.to_json(),
        view=report.table(),
    )


def _row(cell: CellScore, seed: int) -> SuiteRow:
    low, high = wilson(min(1.0, cell.score), cell.n)
    estimate = Estimate(cell.score, low, high, "Wilson")
    if cell.scores:
        estimate = estimated(cell.scores, seed=seed)
    return SuiteRow(
        name=f"{cell.name} {cell.split}",
        n=cell.n,
        score=cell.score,
        low=estimate.low,
        high=estimate.high,
        method=estimate.method,
        baseline=max(cell.majority, cell.majority_by_kind or 0.0),
        control=cell.shuffled,
        ceiling=cell.ceiling,
        note=f"{cell.kind}, control: another example's input",
    )


def _voices(report: WorldReport) -> list[SuiteRow]:
    return [
        SuiteRow(
            name=f"digits by {voice.speaker}",
            n=voice.n,
            score=voice.written,
            low=wilson(voice.written, voice.n).low,
            high=wilson(voice.written, voice.n).high,
            method="Wilson",
            baseline=1 / 10,
        )
        for voice in report.speakers
    ]


SUITE = Suite(
    name="world",
    summary="every direction of {text, audio, image, video} to {text, audio, image}, and tasks that mix them",
    needs="digits by people: data, or a download; extras eval and serve for an endpoint",
    run=run,
    takes=("checkpoint", "endpoint"),
    add_arguments=add_arguments,
)
