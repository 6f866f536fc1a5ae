"""`pairs`: the held-out texts of problems of pairs, by a model trained on pairs, or by an omni model that is asked.

An omni model is asked in the same words whether it is loaded or served (`PairProblem.question`), greedily and for as
many tokens at most, so that a served one scores as its checkpoint does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omniloom.core.arguments import positive_int
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.subject import Endpoint
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

if TYPE_CHECKING:
    from omniloom.data.problems.pairs import PairProblem, TextPair
    from omniloom.evaluation.suites.items import Items

OMNI_PROBLEM = "scan_simple"
"""Of a model that does not tell by itself what it was trained on."""

BATCH = 64
"""Texts decoded together; what is finished is kept after each batch."""

ANSWER_TOKENS = 512
"""At most, of an omni model: what our server gives where nothing is said, so both are cut alike."""


class Answerer(NamedTuple):
    """A model: its full name, the problem it was trained on, and texts of a problem to answers as they come."""

    name: str
    problem: str
    ask: Callable[[PairProblem, Sequence[str]], Iterator[tuple[int, str]]]


def add_arguments(group: OptionGroup) -> None:
    group.add_argument(
        "--problems", metavar="A,B", help="of pairs, with _rev and _copy (default: what the model was trained on)"
    )
    group.add_argument("--problem-file", type=Path, metavar="FILE.py", help="a file of yours that registers problems")
    group.add_argument(
        "--beam", type=positive_int, metavar="SIZE", help="of a model of pairs; 1 is greedy (default: 4)"
    )


def run(job: Job) -> SuiteReport:
    from omniloom.core.randomness import seed_of
    from omniloom.data.problems.pairs import pair_problem
    from omniloom.data.problems.pairs.user_file import run_user_file

    if job.options.problem_file is not None:
        run_user_file(job.options.problem_file)
    answerer = _answerer(job)
    names = job.options.problems.split(",") if job.options.problems else [answerer.problem]
    items = job.items(answerer.name, beam=job.options.beam or 4)
    rows = []
    for problem in map(pair_problem, names):
        places = _drawn(problem, job)
        pairs = [problem.pairs("test")[place] for place in places]
        # With the source, so that a problem that has changed since is asked anew.
        keys = [
            f"{problem.full_name} {place} {seed_of(pair.source):x}" for place, pair in zip(places, pairs, strict=True)
        ]
        found = items.complete(keys, _asked(answerer, problem, pairs), title=problem.full_name)
        baselines = _baselines(problem, places, items)
        rows.append(_row(problem, pairs, [item["written"] for item in found], baselines, seed=job.seed))
    return job.report(rows, items=items, settings={"problems": ",".join(names)})


def _answerer(job: Job) -> Answerer:
    """The endpoint's model, the model of pairs in the job's folder, or the omni model.

    Raises:
        ValueError: If --beam is given to a model that has none.
    """
    from omniloom.core.checkpoint import read_manifest
    from omniloom.generation import Omni, Sampling
    from omniloom.generation.beam import BeamSearch
    from omniloom.generation.loading import WEIGHTS, find
    from omniloom.generation.pairs import answers_of, holds_pairs, load_pairs

    if isinstance(job.subject, Endpoint):
        if job.options.beam:
            raise ValueError(f"--beam is of models of pairs, and {job.subject} is asked through the wire; leave it out")
        return _served(job.subject)
    folder = find(job.checkpoint)
    name = f"{job.checkpoint} {read_manifest(folder).files[WEIGHTS].sha256[:12]}"
    if not holds_pairs(folder):
        if job.options.beam:
            raise ValueError(f"--beam is of models of pairs, and {job.checkpoint} is an omni model; leave it out")
        omni = Omni.load(job.checkpoint)

        def ask(problem: PairProblem, texts: Sequence[str]) -> list[str]:
            greedy, prompts = Sampling(temperature=0.0), [problem.question(text) for text in texts]
            return [reply.text for reply in omni.reply_batch(prompts, sampling=greedy, max_tokens=ANSWER_TOKENS)]

        return Answerer(name, OMNI_PROBLEM, _in_batches(ask))
    kept, search = load_pairs(folder), BeamSearch(size=job.options.beam or 4)
    return Answerer(
        name,
        kept.problem,
        _in_batches(lambda _, texts: answers_of(kept.model, kept.encoders, texts, search=search, is_shown=False)),
    )


def _served(endpoint: Endpoint) -> Answerer:
    """The model of an endpoint, asked by chat, a text a request."""
    from omniloom.evaluation.endpoints import Client
    from omniloom.evaluation.endpoints.talker import ServedOmni
    from omniloom.stream.parts import Text

    served = ServedOmni(Client(endpoint.url, endpoint.model, api_key=endpoint.api_key))

    def ask(problem: PairProblem, texts: Sequence[str]) -> Iterator[tuple[int, str]]:
        prompts = [[Text(problem.question(text))] for text in texts]
        for place, reply in served.replies(prompts, [("text",)] * len(texts), seed=0, max_tokens=ANSWER_TOKENS):
            yield place, reply.text

    return Answerer(served.identity, OMNI_PROBLEM, ask)


def _in_batches(
    answers: Callable[[PairProblem, Sequence[str]], list[str]],
) -> Callable[[PairProblem, Sequence[str]], Iterator[tuple[int, str]]]:
    def ask(problem: PairProblem, texts: Sequence[str]) -> Iterator[tuple[int, str]]:
        for start in range(0, len(texts), BATCH):
            yield from enumerate(answers(problem, texts[start : start + BATCH]), start=start)

    return ask


def _drawn(problem: PairProblem, job: Job) -> list[int]:
    """The places of the job's items in the test split: a larger limit keeps those of a smaller one."""
    from omniloom.core.randomness import generator

    count = len(problem.pairs("test"))
    order: list[int] = generator("pairs", problem.full_name, job.seed).permutation(count).tolist()
    return order[: job.limit]


def _asked(
    answerer: Answerer, problem: PairProblem, pairs: Sequence[TextPair]
) -> Callable[[list[int]], Iterator[tuple[int, dict[str, Any]]]]:
    def compute(places: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, answer in answerer.ask(problem, [pairs[place].source for place in places]):
            yield places[number], {"written": answer}

    return compute


def _baselines(problem: PairProblem, places: Sequence[int], items: Items) -> dict[str, float]:
    """What a copy of the source scores as a share of 1, and of a translation what a dictionary word for word does.

    The dictionary is learned of the training pairs, which takes half a minute for 23,000; its score is kept.
    """
    from omniloom.core.progress import Progress
    from omniloom.data.problems.pairs import pair_metrics
    from omniloom.evaluation.pairs.baselines import best_dictionary

    metric, pairs = pair_metrics.get(problem.metric), [problem.pairs("test")[place] for place in places]
    references = [pair.target for pair in pairs]
    found = {"source copied": metric([pair.source for pair in pairs], references).value / 100}
    if problem.metric != "bleu" or not problem.pairs("train") or not problem.pairs("dev"):
        return found
    key = f"{problem.full_name}, word for word, {len(places)} drawn"
    if key not in items:
        with Progress("word for word", total=1, unit="word list") as progress:
            dictionary = best_dictionary(problem.pairs("train"), problem.pairs("dev"))
            translated = [dictionary.translate(pair.source) for pair in pairs]
            items.add(key, {"score": metric(translated, references).value / 100})
            progress.advance()
    return found | {"word for word": float(items[key]["score"])}


def _row(
    problem: PairProblem,
    pairs: Sequence[TextPair],
    answers: Sequence[str],
    baselines: Mapping[str, float],
    *,
    seed: int,
) -> SuiteRow:
    """The problem's score as a share of 1, beside the best of its baselines."""
    from omniloom.data.problems.pairs import pair_metrics
    from omniloom.evaluation.few_shot.metrics import BLEU

    references = [pair.target for pair in pairs]
    told = ", ".join(f"{name} {value:.3f}" for name, value in baselines.items())
    best = max(baselines.values())
    if problem.metric == "exact_match":
        right = [float(answer == reference) for answer, reference in zip(answers, references, strict=True)]
        return SuiteRow.of_scores(problem.full_name, right, seed=seed, baseline=best, note=f"exact match; {told}")
    if problem.metric == "bleu":
        measured = BLEU.total([], answers, [[own] for own in references], seed=seed)
        value, (low, high), signature = measured.score, measured.interval, measured.signature
    else:
        score = pair_metrics.get(problem.metric)(answers, references)
        # Of a metric of the user's own no interval is known.
        value, low, high, signature = score.value / 100, 0.0, 1.0, f"{score.signature}; no interval"
    note = f"{problem.metric}, {signature}; {told}"
    return SuiteRow(name=problem.full_name, n=len(pairs), score=value, low=low, high=high, baseline=best, note=note)


SUITE = Suite(
    name="pairs",
    summary="held-out texts of problems of pairs: translations, commands, your own",
    run=run,
    needs="extra translate for translations, eval for an endpoint",
    takes=("checkpoint", "endpoint"),
    add_arguments=add_arguments,
    limit=None,
)
