"""How answers of pair problems are scored: BLEU as sacrebleu computes it, with its signature, or exact matches.

A BLEU without what tokenized it cannot be compared with any other, so no score leaves here without its signature. Own
BLEU code was rejected: sacrebleu is what published scores are made with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omniloom.core.registry import Registry


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """A score between 0 and 100, of how many answers, and the signature that says how it was computed."""

    metric: str
    value: float
    num_answers: int
    signature: str

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.2f} of {self.num_answers} ({self.signature})"


PairMetric = Callable[[Sequence[str], Sequence[str]], PairScore]

pair_metrics: Registry[PairMetric] = Registry("metric")
"""Functions of answers and references."""


@pair_metrics.register("bleu")
def bleu(answers: Sequence[str], references: Sequence[str]) -> PairScore:
    """Corpus BLEU with sacrebleu's defaults: case counts, tokenizer 13a, exponential smoothing.

    Raises:
        ValueError: If the numbers differ or there are none.
    """
    from sacrebleu.metrics import BLEU

    _check(answers, references)
    metric = BLEU()
    found = metric.corpus_score(list(answers), [list(references)])
    signature = str(metric.get_signature())
    return PairScore(metric="BLEU", value=float(found.score), num_answers=len(answers), signature=signature)


@pair_metrics.register("exact_match")
def exact_match(answers: Sequence[str], references: Sequence[str]) -> PairScore:
    """How many answers in a hundred are the reference, to the character.

    Raises:
        ValueError: If the numbers differ or there are none.
    """
    _check(answers, references)
    right = sum(answer == reference for answer, reference in zip(answers, references, strict=True))
    share = 100 * right / len(answers)
    return PairScore(metric="exact match", value=share, num_answers=len(answers), signature="character for character")


def _check(answers: Sequence[str], references: Sequence[str]) -> None:
    if len(answers) != len(references) or not answers:
        counts = f"{len(answers)} and {len(references)}"
        raise ValueError(f"a score needs as many answers as references and one at least, got {counts}")
