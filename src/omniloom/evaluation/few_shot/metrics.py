"""From what was answered to a score: accuracy, F1 of words, BLEU. All are shares, 1 where everything is right.

BLEU is sacrebleu's, whose signature is part of the result, for a score without it cannot be compared. F1 is that of
SQuAD (Rajpurkar and others 2016): lower case, without punctuation and articles, in bags of words.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from omniloom.evaluation.intervals import Interval, Method, estimated

NUM_DRAWS = 1000


class Measured(NamedTuple):
    """A score over many items with its 95 % interval, had by `method`.

    `signature` says how the score was computed where that has variants.
    """

    score: float
    interval: Interval
    signature: str = ""
    method: Method = "bootstrap"


class Metric(Protocol):
    """`score` judges one answer, `total` all of them."""

    @property
    def name(self) -> str: ...

    def score(self, given: str, answers: Sequence[str]) -> float: ...

    def total(
        self, scores: Sequence[float], given: Sequence[str], answers: Sequence[Sequence[str]], *, seed: int
    ) -> Measured: ...


@dataclass(frozen=True)
class Mean:
    """A metric whose total is the mean of its items' scores: of the best of the answers each."""

    name: str
    judge: Callable[[str, str], float]

    def score(self, given: str, answers: Sequence[str]) -> float:
        return max(self.judge(given, answer) for answer in answers)

    def total(
        self, scores: Sequence[float], given: Sequence[str], answers: Sequence[Sequence[str]], *, seed: int
    ) -> Measured:
        mean, low, high, method = estimated(scores, seed=seed, num_draws=NUM_DRAWS)
        return Measured(mean, Interval(low, high), method=method)


def exact(given: str, answer: str) -> float:
    """1 where both are the same string."""
    return float(given == answer)


def word_f1(given: str, answer: str) -> float:
    """The harmonic mean of precision and recall of words."""
    own, right = _words(given), _words(answer)
    num_shared = sum((Counter(own) & Counter(right)).values())
    if not own or not right:
        return float(own == right)
    return 2 * num_shared / (len(own) + len(right))


def _words(text: str) -> list[str]:
    plain = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


class Bleu:
    """BLEU of the whole corpus, divided by 100; sacrebleu bootstraps its interval, by a seed of its own."""

    name = "BLEU"

    def score(self, given: str, answers: Sequence[str]) -> float:
        """BLEU of one sentence, smoothed, for looking at items; the total is not the mean of these."""
        return float(_sacrebleu(is_sentence=True).sentence_score(given, list(answers)).score) / 100

    def total(
        self, scores: Sequence[float], given: Sequence[str], answers: Sequence[Sequence[str]], *, seed: int
    ) -> Measured:
        bleu = _sacrebleu(is_sentence=False)
        num_answers = max(map(len, answers))
        # sacrebleu takes streams of references, in which an item without a further answer has None.
        streams = [[own[place] if place < len(own) else None for own in answers] for place in range(num_answers)]
        corpus = bleu.corpus_score(list(given), streams, n_bootstrap=NUM_DRAWS)
        signature = str(bleu.get_signature())
        found = json.loads(corpus.format(width=6, signature=signature, is_json=True))
        # Where every draw scores 0 sacrebleu gives no interval.
        mean, half = found.get("confidence_mean", 0.0) / 100, found.get("confidence_var", 0.0) / 100
        interval = Interval(max(0.0, mean - half), min(1.0, mean + half))
        return Measured(min(1.0, found["score"] / 100), interval, signature)


def _sacrebleu(*, is_sentence: bool) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=is_sentence)


ACCURACY: Metric = Mean("accuracy", exact)
F1: Metric = Mean("F1", word_f1)
BLEU: Metric = Bleu()
