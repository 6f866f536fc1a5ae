"""What the judged samples say, as rows: pass@k of each temperature, and what each way of choosing is worth.

Intervals are bootstraps over problems: another draw of problems is what the question is about, and samples of one
problem are no independent items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omniloom.evaluation.code.evaluation import Samples
from omniloom.evaluation.code.passes import best_setting, pass_at_k
from omniloom.evaluation.code.ranking import RANKERS, Judged, chosen_passes, is_ranked
from omniloom.evaluation.suites.report import SuiteRow

KS = (1, 10, 100)
CURVE_KS = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100, 140, 200)


@dataclass(frozen=True, kw_only=True)
class BestTemperature:
    """The temperature whose pass@k is best, and how often each is where problems are drawn again."""

    k: int
    temperature: float
    shares: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class CodeReport:
    """All numbers: `curves` are pass@k by temperature and k, `best` the best temperature of each k."""

    rows: tuple[SuiteRow, ...]
    curves: dict[str, dict[int, float]]
    best: tuple[BestTemperature, ...]
    rankings: dict[str, dict[str, float]]

    def to_json(self) -> dict[str, Any]:
        return {
            "curves": self.curves,
            "best": [asdict(own) for own in self.best],
            "rankings": self.rankings,
        }


def report_of(samples: Samples, *, seed: int = 0) -> CodeReport:
    """The numbers of judged samples."""
    num_samples = len(next(iter(samples.values()))[0])
    ks = [k for k in KS if k <= num_samples]
    rows = [
        SuiteRow.of_scores(f"pass@{k}, T {temperature:g}", passes_of(problems, k), seed=seed)
        for temperature, problems in samples.items()
        for k in ks
    ]
    rankings: dict[str, dict[str, float]] = {}
    for temperature, problems in samples.items() if num_samples > 1 else ():
        found = ranked(problems)
        rankings[f"{temperature:g}"] = {name: sum(own) / len(own) for name, own in found.items()}
        low, high = rankings[f"{temperature:g}"]["random"], rankings[f"{temperature:g}"]["oracle"]
        rows += [
            SuiteRow.of_scores(
                f"1 of {num_samples} by {name}, T {temperature:g}", own, seed=seed, baseline=low, ceiling=high
            )
            for name, own in found.items()
            if name not in ("random", "oracle")
        ]
    curves = {
        f"{temperature:g}": {k: _mean(passes_of(problems, k)) for k in CURVE_KS if k <= num_samples}
        for temperature, problems in samples.items()
    }
    best = tuple(_best(samples, k, seed=seed) for k in ks) if len(samples) > 1 else ()
    return CodeReport(rows=tuple(rows), curves=curves, best=best, rankings=rankings)


def passes_of(problems: Sequence[Sequence[Judged]], k: int) -> list[float]:
    """pass@k of each problem."""
    return [pass_at_k(len(own), sum(sample.passed for sample in own), k) for own in problems]


def ranked(problems: Sequence[Sequence[Judged]]) -> dict[str, list[float]]:
    """For each way of choosing one sample, what it is worth on each problem: random, those that are told, oracle."""
    found = {"random": [sum(sample.passed for sample in own) / len(own) for own in problems]}
    for name, attribute in RANKERS.items():
        if any(is_ranked(own, attribute) for own in problems):
            found[name] = [chosen_passes(own, attribute) for own in problems]
    return found | {"oracle": [float(any(sample.passed for sample in own)) for own in problems]}


def _best(samples: Samples, k: int, *, seed: int) -> BestTemperature:
    place, shares = best_setting([passes_of(problems, k) for problems in samples.values()], seed=seed)
    names = [f"{temperature:g}" for temperature in samples]
    return BestTemperature(k=k, temperature=list(samples)[place], shares=dict(zip(names, shares, strict=True)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
