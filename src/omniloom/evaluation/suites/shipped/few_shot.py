"""`few-shot`: tasks of text with none, one and many solved items in the prompt."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.subject import Endpoint, Transformers
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.evaluation.few_shot import FewShotReport, LanguageModel, SeenReport, TaskScore


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--tasks", metavar="A,B", help="names or patterns (default: the paper's)")
    group.add_argument(
        "--shots", nargs="+", type=number_of_shots, metavar="K", help="numbers, few or max (default: 0 1 few)"
    )
    group.add_argument("--task-file", type=Path, metavar="FILE.py", help="a file of yours that adds tasks")
    group.add_argument(
        "--interface", choices=("chat", "completions"), help="of the endpoint (default: chat, which scores no options)"
    )
    group.add_argument("--context", type=positive_int, metavar="N", help="of the endpoint, in tokens (default: 2048)")
    group.add_argument(
        "--beam",
        type=positive_int,
        metavar="SIZE",
        help="search written answers; 4 as GPT-3 did (default: greedily)",
    )
    group.add_argument(
        "--multiturn", action="store_true", help="each solved item in turns of its own (default: all in one text)"
    )
    group.add_argument(
        "--seen", nargs="+", type=Path, metavar="TEXT", help="training texts: only tell which items stand in them"
    )


def number_of_shots(text: str) -> int | str:
    """For `type=`: a number from 0 on, "few" for the task's own, "max" for as many as fit."""
    if text in ("few", "max"):
        return text
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, few or max, got {text!r}")
    return int(text)


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.few_shot import (
        PAPER_SEARCH,
        chosen_tasks,
        evaluate_few_shot,
        load_task_file,
        look_for,
    )
    from omniloom.evaluation.few_shot.runner import SETTINGS

    options = job.options
    if not isinstance(job.subject, Endpoint) and (options.interface or options.context):
        raise ValueError("--interface and --context belong to an --endpoint; leave them out")
    added = load_task_file(options.task_file) if options.task_file is not None else []
    names = chosen_tasks(options.tasks.split(",")) if options.tasks else added or chosen_tasks([])
    if options.seen is not None:
        return _seen(job, look_for(names, options.seen))
    report = evaluate_few_shot(
        language_model(job),
        names,
        shots=options.shots or SETTINGS,
        seed=job.seed,
        limit=job.limit,
        results=job.results,
        search=replace(PAPER_SEARCH, size=options.beam or 1),
        form="turns" if options.multiturn else "text",
    )
    return _scored(job, report)


def language_model(job: Job) -> LanguageModel:
    """The job's subject as a model of text."""
    from omniloom.evaluation.few_shot import EndpointLanguageModel

    options = job.options
    if isinstance(job.subject, Endpoint):
        return EndpointLanguageModel(
            job.subject.url,
            job.subject.model,
            interface=options.interface or "chat",
            context=options.context or 2048,
            api_key=job.subject.api_key,
        )
    return subject_model(job)


def subject_model(job: Job) -> LanguageModel:
    """A checkpoint or a model of transformers as a model of text."""
    from omniloom.evaluation.few_shot import OmniLanguageModel, TorchLanguageModel
    from omniloom.generation import Omni

    if isinstance(job.subject, Transformers):
        return TorchLanguageModel.from_pretrained(job.transformers)
    return OmniLanguageModel(Omni.load(job.checkpoint), name=job.checkpoint)


def _scored(job: Job, report: FewShotReport) -> SuiteReport:
    return job.report(
        [_row(row) for row in report.rows],
        subject=report.model,
        items=report,
        settings=report.settings,
        details=report.to_json(),
        view=report.table(),
    )


def _row(row: TaskScore) -> SuiteRow:
    return SuiteRow(
        name=f"{row.task}, {row.shots} shots",
        n=row.n,
        score=row.score,
        low=row.low,
        high=row.high,
        method=row.method,
        baseline=row.chance,
        note=", ".join(filter(None, ["" if row.metric == "accuracy" else row.metric, row.notes])),
    )


def _seen(job: Job, report: SeenReport) -> SuiteReport:
    rows = [
        SuiteRow.of_scores(
            f"{name}, seen in training texts",
            [1.0] * len(own.found) + [0.0] * (own.num_looked_for - len(own.found)),
            note=f"{own.num_short} too short to look for" if own.num_short else "",
        )
        for name, own in report.tasks.items()
        if own.num_looked_for
    ]
    return job.report(rows, subject="training texts", details=report.to_json(), view=report.table())


SUITE = Suite(
    name="few-shot",
    summary="tasks of text with none, one and many solved items in the prompt (GPT-3's evaluation)",
    needs="extra eval for an endpoint and BLEU, hf for a model of transformers; some tasks: data, or a download",
    run=run,
    takes=("checkpoint", "endpoint", "transformers"),
    add_arguments=add_arguments,
)
