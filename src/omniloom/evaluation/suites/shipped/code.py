"""`code`: programs written by a model and run contained: pass@k by temperature, and what one chosen sample is worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport
from omniloom.evaluation.suites.subject import Endpoint
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.data.code.problem import CodeProblem
    from omniloom.evaluation.code import BackScorer, CodeModel

SETS = ("human-eval", "mbpp", "generated", "generated-longer")


def add_arguments(group: OptionGroup) -> None:
    group.add_argument(
        "--problems",
        metavar="SET",
        help=f"{', '.join(SETS)}, or a file of HumanEval's form, .jsonl or .jsonl.gz (default: human-eval)",
    )
    group.add_argument(
        "--samples", type=positive_int, metavar="N", help="of each problem and temperature (default: 20)"
    )
    group.add_argument(
        "--temperatures", nargs="+", type=temperature, metavar="T", help="to sample at (default: 0.2 0.6 1)"
    )
    group.add_argument("--max-tokens", type=positive_int, metavar="N", help="of a completion (default: 256)")
    group.add_argument("--inverse", metavar="FOLDER", help="a model that describes code, for back-scoring")
    group.add_argument(
        "--interface", choices=("chat", "completions"), help="of the endpoint (default: chat, with an instruction)"
    )
    group.add_argument(
        "--bare", action="store_true", help="by chat, send the prompt alone, as to a model of `train code`"
    )
    group.add_argument("--figure", type=Path, metavar="FILE", help="draw pass@k against k, and the choices")
    group.add_argument(
        "--allow-uncontained", action="store_true", help="run the programs though nothing contains them here"
    )


def temperature(text: str) -> float:
    """For `type=`: from 0 to 10."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 10, got {text!r}")
    return value


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.code import CodeSettings, draw, evaluate_code, report_of

    options = job.options
    problems = problems_of(options.problems or "human-eval", limit=job.limit, seed=job.seed)
    settings = CodeSettings(
        num_samples=options.samples or 20,
        temperatures=tuple(options.temperatures or (0.2, 0.6, 1.0)),
        max_tokens=options.max_tokens or 256,
        seed=job.seed,
        allow_uncontained=options.allow_uncontained,
    )
    model = code_model(job)
    inverse = None if options.inverse is None else _back_scorer(options.inverse)
    kept = {"max_tokens": settings.max_tokens}
    items = job.items(model.name, **kept)
    report = report_of(evaluate_code(model, problems, settings, items, inverse=inverse), seed=job.seed)
    if options.figure is not None:
        draw(report, options.figure, title=f"{options.problems or 'human-eval'}, {len(problems)} problems")
    told = {
        "problems": options.problems or "human-eval",
        "samples": settings.num_samples,
        "temperatures": list(settings.temperatures),
    }
    return job.report(report.rows, subject=model.name, items=items, settings=kept | told, details=report.to_json())


def problems_of(name: str, *, limit: int | None, seed: int = 0) -> list[CodeProblem]:
    """Up to `limit` problems of a set, or of a file; of the generated ones 100 unless said otherwise.

    Raises:
        ValueError: If there is no such set and no such file, or it is damaged.
    """
    from omniloom.core.randomness import generator
    from omniloom.data.code.generated import CodeSplit, GeneratedFunctions
    from omniloom.data.code.human_eval import human_eval
    from omniloom.data.code.mbpp import mbpp

    if name in ("generated", "generated-longer"):
        split: CodeSplit = "test" if name == "generated" else "longer"
        return GeneratedFunctions().problems(split, limit or 100, first=seed * 1_000_000)
    if name not in SETS and not Path(name).exists():
        raise ValueError(f"--problems must be one of {', '.join(SETS)} or a file, got {name!r}")
    found = human_eval() if name == "human-eval" else mbpp() if name == "mbpp" else human_eval(name)
    order = generator("code problems", name, seed).permutation(len(found))[:limit]
    return [found[int(place)] for place in sorted(order)]


def code_model(job: Job) -> CodeModel:
    """The job's subject as a model of code."""
    from omniloom.evaluation.code import EndpointCodeModel, OmniCodeModel
    from omniloom.evaluation.code.models import INSTRUCTION

    options = job.options
    if isinstance(job.subject, Endpoint):
        return EndpointCodeModel(
            job.subject.url,
            job.subject.model,
            interface=options.interface or "chat",
            api_key=job.subject.api_key,
            instruction="" if options.bare else INSTRUCTION,
        )
    if options.interface or options.bare:
        raise ValueError("--interface and --bare belong to an --endpoint; leave them out")
    from omniloom.generation import Omni

    return OmniCodeModel(Omni.load(job.checkpoint), name=job.checkpoint)


def _back_scorer(folder: str) -> BackScorer:
    """The inverse model; its name changes with its weights, for scores are kept under it."""
    from omniloom.evaluation.code import BackScorer
    from omniloom.evaluation.workers.identity import identity
    from omniloom.generation import Omni

    omni = Omni.load(folder)
    return BackScorer(omni, name=f"{folder} {identity(omni)}")


SUITE = Suite(
    name="code",
    summary="functions written and run contained: pass@k by temperature, one chosen of many (Codex's evaluation)",
    needs="Linux with user namespaces; extra eval for an endpoint; HumanEval and MBPP: data, or a download",
    run=run,
    takes=("checkpoint", "endpoint"),
    add_arguments=add_arguments,
    limit=None,
)
