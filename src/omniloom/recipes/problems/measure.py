"""Answers of a trained model to texts, and how they score beside what needs no learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from omniloom.core.progress import Progress
from omniloom.data.problems.pairs import PairEncoders, PairProblem, PairScore, TextPair, pair_metrics
from omniloom.generation.beam import BeamSearch, translate
from omniloom.models.seq2seq import SequenceModel
from omniloom.recipes.problems.baselines import best_dictionary

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


def answers_of(
    model: SequenceModel,
    encoders: PairEncoders,
    texts: Sequence[str],
    *,
    search: BeamSearch,
    title: str = "decoding",
    is_shown: bool = True,
) -> list[str]:
    """The best answer to each text, its markup put back; progress is shown unless `is_shown` is False.

    Raises:
        ValueError: If a text holds what the vocabulary has no id for; it is named by its place.
    """
    markup, rows, pieces = encoders.markup, [], []
    for number, text in enumerate(texts, start=1):
        plain, own = (text, []) if markup is None else markup.taken_out(text)
        pieces.append(own)
        try:
            rows.append(encoders.source.encode(plain))
        except ValueError as error:
            raise ValueError(f"text {number}: {error}") from error
    if is_shown:
        with Progress(title, total=len(rows), unit="text") as progress:
            found = translate(model, rows, search, on_batch=progress.advance)
    else:
        found = translate(model, rows, search)
    answers = [encoders.target.decode(best.ids) for best, *_ in found]
    if markup is None:
        return answers
    return [markup.put_back(answer, own) for answer, own in zip(answers, pieces, strict=True)]


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
