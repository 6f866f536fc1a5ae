"""The best of N of the omni model's own drawings, judged by the world's rule readers, with no network among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from omniloom.data.problems import EmojiProblem, Problem, ScenesProblem
from omniloom.data.problems.base import Example
from omniloom.data.problems.score import score
from omniloom.evaluation.pictures.rows import Comparison
from omniloom.evaluation.suites.report import SuiteRow
from omniloom.generation import Omni, Sampling, TokenChoice
from omniloom.generation.rerank import Reranker, drawn_replies, ranked_replies
from omniloom.stream.parts import Text

DRAWN: Mapping[str, str] = {"scenes": "draw_typed", "emoji": "draw_emoji_typed"}
"""The tasks in which a picture is asked for in writing."""

STRIDE = 1_000_000
"""Requests of one seed begin so far from those of the next."""


@dataclass(frozen=True)
class Request:
    """A request of a problem of `DRAWN`, and its number in it, which its replies are drawn by."""

    number: int
    example: Example


def drawing_requests(name: str, num_examples: int, *, seed: int = 0) -> list[Request]:
    """New requests of a problem of `DRAWN`; fewer are the first of more."""
    problem: Problem = {"scenes": ScenesProblem, "emoji": EmojiProblem}[name]()
    numbers = range(seed * STRIDE, seed * STRIDE + num_examples)
    return [Request(number, problem.example("new", number, DRAWN[name])) for number in numbers]


def measured_reply(
    omni: Omni, reranker: Reranker, request: Request, *, candidates: int, temperature: float
) -> dict[str, float]:
    """Whether the chosen reply is right, what share of all of them is, and whether any is.

    A reply without a picture is wrong. Only the picture's codes are drawn at the temperature; what is written before
    them is the likeliest.
    """
    sampling = Sampling(image=TokenChoice(temperature=temperature))
    asked = " ".join(part.text for part in request.example.prompt[-1].parts if isinstance(part, Text))
    start = request.number * candidates
    drawn = drawn_replies(omni, asked, num_replies=candidates, sampling=sampling, seed=start)
    if not drawn:
        return {"best": 0.0, "mean": 0.0, "any": 0.0}
    found = ranked_replies(reranker, asked, drawn)
    right = [score(request.example, [item.candidate.image]) if item.candidate.image else 0.0 for item in found]
    return {"best": right[0], "mean": sum(right) / candidates, "any": max(right)}


def reply_rows(name: str, found: Sequence[Mapping[str, float]], *, num_replies: int, seed: int = 0) -> list[SuiteRow]:
    """One candidate, the best, and the paired difference."""
    most = fmean(item["any"] for item in found)
    return [
        SuiteRow.of_scores(f"{name} right, one reply", [item["mean"] for item in found], seed=seed, ceiling=most),
        SuiteRow.of_scores(
            f"{name} right, best of {num_replies}", [item["best"] for item in found], seed=seed, ceiling=most
        ),
        Comparison.of(found, "best", "mean", seed=seed).row(f"{name}, best of {num_replies} less one", unit="share"),
    ]
