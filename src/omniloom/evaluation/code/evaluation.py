"""Measured code generation: sample, run contained, count. Resumable item by item, with progress.

Three kinds of finished items stand in one file: samples, verdicts and back-scores. A verdict belongs to a program and
not to a sample, so a program that was written twice is run once; low temperatures write the same one dozens of times.
That asks of a program to end as it did before, which holds but for one that draws on chance or the clock: Python's
`random` is seeded alike in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omniloom.core.randomness import seed_of
from omniloom.data.code.problem import CodeProblem
from omniloom.evaluation.code.models import CodeModel, Sample, SampleRequest
from omniloom.evaluation.code.ranking import BackScorer, Judged
from omniloom.evaluation.suites.items import Items, Value
from omniloom.sandbox import Sandbox, run_many

BATCH_PROGRAMS = 64
"""Programs that are run before their verdicts are kept; sandboxes are opened for each batch, in a tenth of a second."""


@dataclass(frozen=True, kw_only=True)
class CodeSettings:
    """How many samples of each problem are taken at each temperature, and how long they may be."""

    num_samples: int = 20
    temperatures: tuple[float, ...] = (0.2, 0.6, 1.0)
    max_tokens: int = 256
    seed: int = 0
    allow_uncontained: bool = False

    def __post_init__(self) -> None:
        if self.num_samples < 1 or self.max_tokens < 1:
            raise ValueError(
                f"num_samples and max_tokens must be at least 1, got {self.num_samples} and {self.max_tokens}"
            )
        if not self.temperatures or len(set(self.temperatures)) < len(self.temperatures):
            raise ValueError(f"temperatures must be at least one, each once, got {self.temperatures}")
        if 0 in self.temperatures and self.num_samples > 1:
            raise ValueError("at temperature 0 all samples are the same one; take one sample, or leave 0 out")


@dataclass(frozen=True)
class _Place:
    """One sample: of which problem, at which temperature, the how many-th."""

    problem: CodeProblem
    temperature: float
    number: int

    @property
    def key(self) -> str:
        return f"sample {self.problem.name} {self.problem.fingerprint} T={self.temperature:g} {self.number}"


Samples = dict[float, list[list[Judged]]]
"""For each temperature, the judged samples of each problem, in order."""


def evaluate_code(
    model: CodeModel,
    problems: Sequence[CodeProblem],
    settings: CodeSettings,
    items: Items,
    *,
    inverse: BackScorer | None = None,
) -> Samples:
    """Sample, judge and, with an `inverse` model, back-score; what is in `items` is not done again.

    Raises:
        ValueError: If there is no problem, or one twice.
        SandboxUnavailable: If nothing contains programs here and that was not waived; before anything is sampled.
        ConnectionError: If an endpoint fails; what was finished is kept.
    """
    require_containment(settings.allow_uncontained)
    if not problems:
        raise ValueError("there is no problem to solve; give at least one")
    places = [
        _Place(problem, temperature, number)
        for temperature in settings.temperatures
        for problem in problems
        for number in range(settings.num_samples)
    ]
    found = items.complete(
        [place.key for place in places],
        lambda missing: _sampled(model, [places[number] for number in missing], missing, settings),
        title="samples",
        unit="sample",
    )
    samples = [Sample(**value) for value in found]
    programs = _distinct(places, samples)
    verdicts = judge(list(programs.values()), items, allow_uncontained=settings.allow_uncontained)
    passed = dict(zip(programs, verdicts, strict=True))
    back: dict[str, float | None] = dict.fromkeys(programs)
    if inverse is not None:
        back = dict(zip(programs, _back_scored(inverse, list(programs.values()), items), strict=True))
    judged: Samples = {temperature: [[] for _ in problems] for temperature in settings.temperatures}
    number_of = {problem.name: number for number, problem in enumerate(problems)}
    for place, sample in zip(places, samples, strict=True):
        key = _program_key(place.problem, sample.text)
        own = Judged(completion=sample.text, passed=passed[key], mean_logprob=sample.mean_logprob, back=back[key])
        judged[place.temperature][number_of[place.problem.name]].append(own)
    return judged


def judge(programs: Sequence[tuple[CodeProblem, str]], items: Items, *, allow_uncontained: bool = False) -> list[bool]:
    """Whether each completion of a problem passes, run contained, one on each core."""

    def run(missing: list[int]) -> Iterator[tuple[int, Value]]:
        for start in range(0, len(missing), BATCH_PROGRAMS):
            batch = missing[start : start + BATCH_PROGRAMS]
            jobs = [problem.job(completion) for problem, completion in (programs[number] for number in batch)]
            results = run_many(jobs, title=None, allow_uncontained=allow_uncontained)
            for number, result in zip(batch, results, strict=True):
                told: dict[str, Any] = {"outcome": str(result.outcome)}
                yield number, told | ({"error": result.error_type} if result.error_type else {})

    keys = [f"verdict {_program_key(*program)}" for program in programs]
    return [value["outcome"] == "passed" for value in items.complete(keys, run, title="programs", unit="program")]


def require_containment(allow_uncontained: bool) -> None:
    """Refuse early where programs cannot be contained.

    Raises:
        SandboxUnavailable: If so; it says what is missing and how to insist.
    """
    Sandbox(allow_uncontained=allow_uncontained).close()


def _sampled(
    model: CodeModel, places: Sequence[_Place], numbers: Sequence[int], settings: CodeSettings
) -> Iterator[tuple[int, Value]]:
    requests = [
        SampleRequest(
            prompt=place.problem.prompt,
            stops=place.problem.stops,
            temperature=place.temperature,
            seed=seed_of("code sample", settings.seed, place.key),
            max_tokens=settings.max_tokens,
        )
        for place in places
    ]
    for place, sample in model.sample(requests):
        yield numbers[place], vars(sample)


def _distinct(places: Sequence[_Place], samples: Sequence[Sample]) -> dict[str, tuple[CodeProblem, str]]:
    """The different programs, by key."""
    return {
        _program_key(place.problem, sample.text): (place.problem, sample.text)
        for place, sample in zip(places, samples, strict=True)
    }


def _program_key(problem: CodeProblem, completion: str) -> str:
    digest = hashlib.sha256(completion.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{problem.name} {problem.fingerprint} {digest}"


def _back_scored(inverse: BackScorer, programs: Sequence[tuple[CodeProblem, str]], items: Items) -> list[float | None]:
    def score(missing: list[int]) -> Iterator[tuple[int, Value]]:
        for place, told in inverse.scores([programs[number] for number in missing]):
            yield missing[place], {"back": told}

    keys = [f"back {inverse.name} {_program_key(*program)}" for program in programs]
    return [value["back"] for value in items.complete(keys, score, title="back-scoring", unit="program")]
