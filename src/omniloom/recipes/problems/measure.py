"""Answers of a trained model to texts, and how they score beside what needs no learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from omniloom.data.problems.pairs import PairEncoders, PairProblem, PairScore, TextPair, pair_metrics
from omniloom.evaluation.pairs.baselines import best_dictionary
from omniloom.generation.beam import BeamSearch
from omniloom.generation.pairs import answers_of
from omniloom.models.seq2seq import SequenceModel

SHOWN_ANSWERS = 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A score and the answers that it is of."""

    score: PairScore
    answers: list[str]

    def to_json(self) -> dict[str, Any]:
        """The score without the answers."""
        own = asdict(self.score)
        return {"score": own.pop("value"), **own}


class Answering(Protocol):
    """A model with what turns texts to ids and back."""

    @property
    def model(self) -> SequenceModel: ...
    @property
    def encoders(self) -> PairEncoders: ...


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What a model scores on the test split, by beam search and greedily, beside the baselines; and some answers."""

    test: PairScore
    greedy: PairScore
    baselines: dict[str, PairScore]
    examples: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        return {
            "test": asdict(self.test),
            "test, greedy": asdict(self.greedy),
            "baselines": {name: asdict(score) for name, score in self.baselines.items()},
            "examples": self.examples,
        }

    def lines(self) -> list[str]:
        """A line a score."""
        rows = {"test, beam search": self.test, "test, greedy": self.greedy, **self.baselines}
        return [f"{name:<18} {score}" for name, score in rows.items()]


def measure(
    model: SequenceModel,
    encoders: PairEncoders,
    pairs: Sequence[TextPair],
    problem: PairProblem,
    *,
    search: BeamSearch,
) -> Measured:
    """The problem's metric over these pairs."""
    answers = answers_of(model, encoders, [pair.source for pair in pairs], search=search, title="measuring")
    score = pair_metrics.get(problem.metric)(answers, [pair.target for pair in pairs])
    return Measured(score=score, answers=answers)


def measure_held_out(answering: Answering, problem: PairProblem, *, search: BeamSearch) -> HeldOut:
    """The test split by beam search and greedily, beside its source copied and a dictionary of the training pairs."""
    pairs = problem.pairs("test")
    model, encoders = answering.model, answering.encoders
    by_beam = measure(model, encoders, pairs, problem, search=search)
    greedy = measure(model, encoders, pairs, problem, search=BeamSearch(size=1, extra_length=search.extra_length))
    step = max(1, len(pairs) // SHOWN_ANSWERS)
    shown = list(zip(pairs, by_beam.answers, strict=True))[::step][:SHOWN_ANSWERS]
    return HeldOut(
        test=by_beam.score,
        greedy=greedy.score,
        baselines=baseline_scores(problem),
        examples=[{"source": s, "reference": t, "answer": answer} for (s, t), answer in shown],
    )


def baseline_scores(problem: PairProblem) -> dict[str, PairScore]:
    """What copying the source and, of a translation, a word-for-word dictionary score on the test split."""
    pairs, metric = problem.pairs("test"), pair_metrics.get(problem.metric)
    references = [pair.target for pair in pairs]
    found = {"source copied": metric([pair.source for pair in pairs], references)}
    if problem.metric == "bleu":
        dictionary = best_dictionary(problem.pairs("train"), problem.pairs("dev"))
        found["word for word"] = metric([dictionary.translate(pair.source) for pair in pairs], references)
    return found
