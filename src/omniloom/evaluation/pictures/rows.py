"""What was found of all items, as rows: scores beside chance and ceiling, comparisons with their paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omniloom.evaluation.intervals import Estimate, bootstrap_difference
from omniloom.evaluation.pictures.measure import perplexity
from omniloom.evaluation.pictures.paired import sign_flip_p
from omniloom.evaluation.suites.report import SuiteRow

Found = Sequence[Mapping[str, Any]]

P_LEAST = 0.01
"""Below it a paired difference counts as no chance."""


@dataclass(frozen=True)
class Comparison:
    """How much more one is than the other on the same items, its 95 % interval, and the sign-flip test's p."""

    difference: Estimate
    p: float
    n: int

    @classmethod
    def of(cls, found: Found, more: str, less: str, *, seed: int = 0) -> Comparison:
        """`more` minus `less`, item by item."""
        ours, theirs = ([float(item[name]) for item in found] for name in (more, less))
        gaps = [one - other for one, other in zip(ours, theirs, strict=True)]
        return cls(bootstrap_difference(ours, theirs, seed=seed), sign_flip_p(gaps, seed=seed), len(gaps))

    @property
    def is_clear(self) -> bool:
        """More, at p < 0.01."""
        return self.difference.mean > 0 and self.p < P_LEAST

    def row(self, name: str, *, unit: str) -> SuiteRow:
        own = self.difference
        return SuiteRow(
            name=name,
            n=self.n,
            score=own.mean,
            low=own.low,
            high=own.high,
            method=own.method,
            baseline=0.0,
            unit=unit,
            note=f"paired, p {shown_p(self.p)}",
        )


def caption_gain(found: Found, *, seed: int = 0) -> Comparison:
    """By how many nats a code the right caption makes a held-out picture likelier than another one."""
    return Comparison.of(found, "shuffled_loss", "right_loss", seed=seed)


def best_by_reranker(found: Found, *, seed: int = 0) -> Comparison:
    """The chosen candidate's score less that of one, by the reranker that chose it.

    One candidate is what all of a caption's score on average: the same as the first, with less of chance in it.
    """
    return Comparison.of(found, "best_score", "mean_score", seed=seed)


def best_by_judge(found: Found, *, seed: int = 0) -> Comparison:
    """The same candidates by the classifier, which had no part in the choice: its probability of what was asked for.

    Right or wrong (`best_right`) is coarser: where nearly all is drawn right it hardly tells candidates apart.
    """
    return Comparison.of(found, "best_probability", "mean_probability", seed=seed)


def best_right(found: Found, *, seed: int = 0) -> Comparison:
    """The same by right or wrong."""
    return Comparison.of(found, "best_right", "mean_right", seed=seed)


def rows_of(found: Found, *, num_candidates: int, chance: float, num_codes: int, seed: int = 0) -> list[SuiteRow]:
    """Every row of the suite `pictures`."""

    def mean(name: str) -> float:
        return sum(float(item[name]) for item in found) / len(found)

    def scored(row: str, name: str, **more: Any) -> SuiteRow:
        return SuiteRow.of_scores(row, [float(item[name]) for item in found], seed=seed, **more)

    judged = {"baseline": chance, "ceiling": mean("ceiling")}
    rows = [
        scored("picture's loss, right caption", "right_loss", control=mean("shuffled_loss"), unit="nats a code"),
        caption_gain(found, seed=seed).row("loss, shuffled less right caption", unit="nats a code"),
        scored("composites right by the judge, one candidate", "mean_right", **judged),
        scored(f"composites right by the judge, best of {num_candidates}", "best_right", **judged),
        scored(f"composites right by the judge, any of {num_candidates}", "any_right", **judged),
        best_right(found, seed=seed).row(f"best of {num_candidates} less one, right by the judge", unit="share"),
        best_by_judge(found, seed=seed).row(f"best of {num_candidates} less one, judge's probability", unit="share"),
        best_by_reranker(found, seed=seed).row(f"best of {num_candidates} less one, by the reranker", unit="cosine"),
    ]
    for name in ("dvae", "fsq"):
        codes = [item[f"{name}_codes"] for item in found]
        used = len({code for row in codes for code in row})
        note = f"{len(codes[0])} codes; {used} of {num_codes} used, perplexity {perplexity(codes, num_codes):.0f}"
        rows.append(scored(f"{name}, PSNR of held-out pictures", f"{name}_psnr_db", unit="dB", note=note))
        rows.append(scored(f"{name}, SSIM of held-out pictures", f"{name}_ssim", unit="SSIM"))
    for name, unit in (("psnr_db", "dB"), ("ssim", "SSIM")):
        both = Comparison.of(found, f"dvae_{name}", f"fsq_{name}", seed=seed)
        rows.append(both.row(f"dvae less fsq, {unit}", unit=unit))
    return rows


def shown_p(p: float) -> str:
    """A p as it is told: "0.031", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
