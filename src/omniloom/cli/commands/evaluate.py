"""`omniloom evaluate SUITE …`: runs any suites on a checkpoint or an endpoint, into one table and one JSON file.

What a suite is and how to add one: `omniloom.evaluation.suites`. This command only parses, runs one after the other and
prints; a suite's own options are its own affair.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from omniloom.cli.parsing import Parser, positive_int
from omniloom.cli.suite_options import SuiteOptions
from omniloom.evaluation.suites import (
    Checkpoint,
    Endpoint,
    Job,
    Subject,
    Suite,
    SuiteReport,
    Transformers,
    load_suite_file,
    save_reports,
    suite_table,
    suites,
)

SUMMARY = (
    "Measure a checkpoint, a served endpoint or a model of transformers by one or several suites, into one table: "
    "each score with its 95 % interval, and beside it what knowing nothing scores."
)
EXAMPLES = (
    "omniloom evaluate --list                     # the suites, and what each takes and needs",
    "omniloom evaluate world",
    "omniloom evaluate world --checkpoint runs/mine/checkpoint --limit 50 --json world.json",
    "omniloom evaluate world --cells audio-to-image image-to-text --splits new",
    "omniloom evaluate world --tasks say,transcribe --splits new",
    "omniloom evaluate world few-shot --limit 50 --results items.jsonl --json both.json",
    "omniloom evaluate turns --json turns.json --figure turns.png",
    "omniloom evaluate card --checkpoint runs/mine/checkpoint",
    "omniloom evaluate listener --limit 100      # how well the judge of speech hears by itself",
    "omniloom evaluate few-shot --tasks 2D+,RW,cloze --limit 100",
    "omniloom evaluate few-shot --tasks 'bbh-*' --shots max --results items.jsonl --json report.json",
    "omniloom evaluate few-shot --tasks gsm8k --beam 4      # written answers by beam search, as GPT-3 did",
    "omniloom evaluate few-shot --task-file capitals.py --hf gpt2 --shots 0 1 5",
    "omniloom evaluate few-shot --endpoint http://127.0.0.1:8000/v1 --model tiny --tasks '2D?' --results items.jsonl",
    "omniloom evaluate pairs --endpoint http://127.0.0.1:8000/v1 --model tiny --problems translate_enfr_python_docs",
    "omniloom evaluate pictures --endpoint http://127.0.0.1:8000/v1 --model tiny --reranker runs/reranker/model",
    "omniloom evaluate few-shot --tasks gsm8k,piqa --seen corpus/     # which items stand in training texts",
    "omniloom evaluate lm-eval --tasks my_task.yaml --checkpoint runs/mine/checkpoint",
    "omniloom evaluate pairs --checkpoint runs/enfr/checkpoint --limit 200 --beam 4",
    "omniloom evaluate code --checkpoint runs/code/checkpoint --problems generated --samples 100 --results code.jsonl",
    "omniloom evaluate code-controls --limit 20     # that programs are judged rightly, attacks included",
    "omniloom evaluate pictures --checkpoint runs/dall-e --candidates 8 --json pictures.json",
    "omniloom evaluate mine --suite-file mine.py",
)


def prepare(arguments: Sequence[str]) -> None:
    """Load the suites of --suite-file, whose options the parser must know."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--suite-file" and (equals or place + 1 < len(arguments)):
            load_suite_file(value or arguments[place + 1])


def add_arguments(parser: Parser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"one or several of {', '.join(suites())}")
    parser.add_argument("--list", action="store_true", help="list the suites, and what each takes and needs")
    parser.add_argument("--checkpoint", metavar="NAME", help="a shipped model's name or a folder (default: tiny)")
    parser.add_argument("--endpoint", metavar="URL", help="in place of --checkpoint: http://host:8000/v1, with --model")
    parser.add_argument("--model", metavar="NAME", help="of the endpoint; its key is taken from OPENAI_API_KEY")
    parser.add_argument("--hf", metavar="NAME", help="in place of --checkpoint: a causal model of transformers")
    parser.add_argument(
        "--limit", type=positive_int, metavar="N", help="items a row (default: the suite's own; most take 300)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another choice of items (default: 0)")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="keep finished items here; a stopped run goes on (of several suites, FILE's name with theirs)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the reports here; without --results, items beside it meanwhile"
    )
    parser.add_argument("--suite-file", type=Path, metavar="FILE.py", help="a file of yours that adds suites")
    parser.set_defaults(suite_options=SuiteOptions(parser, [suites().get(name) for name in suites()]))


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    if options.list:
        Console().print(catalogue())
        return 0
    chosen = _chosen(options)
    subject = _subject(options)
    jobs = [(suite, _job(suite, subject, options, is_alone=len(chosen) == 1)) for suite in chosen]
    reports: list[SuiteReport] = []
    for suite, job in jobs:
        try:
            reports.append(suite.run(job))
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(str(stop) or _how_to_go_on(job)) from None
        if options.json is not None:
            # After each, so that what is finished is there if a later one is stopped.
            save_reports(options.json, reports)
    Console().print(reports[0].table() if len(reports) == 1 else suite_table(reports))
    if options.json is not None and options.results is None:
        for _, job in jobs:
            if job.results is not None:
                job.results.unlink(missing_ok=True)
    return 0


def _how_to_go_on(job: Job) -> str:
    """What a run that was stopped has kept."""
    if job.results is None or not job.results.exists():
        return f"{job.suite} stopped; nothing of it was kept"
    return f"{job.suite} stopped; what is finished is in {job.results}, and the same command goes on there"


def catalogue() -> object:
    """The suites as a table."""
    from omniloom.evaluation.table import rich_table

    rows = [
        (own.name, ", ".join(own.takes) or "no model", own.needs or "–", own.summary)
        for own in (suites().get(name) for name in suites())
    ]
    return rich_table("Suites", ("suite", "takes", "needs", "what"), rows)


def _chosen(options: argparse.Namespace) -> list[Suite]:
    names = list(dict.fromkeys(options.suites))
    if not names:
        raise ValueError(f"SUITE is missing; name one or several of {', '.join(suites())}")
    chosen = [suites().get(name) for name in names]
    options.suite_options.refuse_others(names, options)
    return chosen


def _subject(options: argparse.Namespace) -> Subject | None:
    """What was named to be measured; None where nothing was.

    Raises:
        ValueError: If several were, or an endpoint without its model.
    """
    named = {"--checkpoint": options.checkpoint, "--hf": options.hf, "--endpoint": options.endpoint}
    given = [f"{name} {value}" for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are {len(given)} models; give one")
    if (options.endpoint is None) != (options.model is None):
        raise ValueError("an endpoint and its model go together: give --endpoint URL and --model NAME")
    if options.endpoint is not None:
        return Endpoint(options.endpoint, options.model, os.environ.get("OPENAI_API_KEY", "none"))
    if options.hf is not None:
        return Transformers(options.hf)
    return None if options.checkpoint is None else Checkpoint(options.checkpoint)


def _job(suite: Suite, named: Subject | None, options: argparse.Namespace, *, is_alone: bool) -> Job:
    subject = named
    if subject is None and suite.takes:
        if suite.checkpoint is None:
            raise ValueError(f"{suite.name} measures no model unless one is named; give {_flags(suite)}")
        subject = Checkpoint(suite.checkpoint)
    if subject is not None and subject.kind not in suite.takes:
        remedy = f"give {_flags(suite)}" if suite.takes else "it measures no model: leave it out, or run it alone"
        raise ValueError(f"{suite.name} cannot measure the {subject.kind} {subject}; {remedy}")
    return Job(
        suite=suite.name,
        subject=subject,
        limit=options.limit or suite.limit,
        seed=options.seed,
        options=options.suite_options.of(suite.name, options),
        results=_results(suite, options, is_alone=is_alone),
        command=options.command,
    )


def _flags(suite: Suite) -> str:
    flags = {"checkpoint": "--checkpoint", "endpoint": "--endpoint with --model", "transformers": "--hf"}
    return " or ".join(flags[kind] for kind in suite.takes)


def _results(suite: Suite, options: argparse.Namespace, *, is_alone: bool) -> Path | None:
    """Where finished items go: into the file that was named, each suite into its own where there are several."""
    path: Path | None = options.results
    if path is not None and not suite.keeps_items:
        raise ValueError(f"{suite.name} keeps no finished items; leave out --results")
    if path is None and options.json is not None and suite.keeps_items:
        path = options.json.with_name(options.json.name + ".partial")
    if path is None or is_alone:
        return path
    return path.with_name(f"{path.stem}.{suite.name}{path.suffix}")
