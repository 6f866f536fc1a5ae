"""The best of N of the omni model's own drawings, judged by the world's rule readers, with no network among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from omniloom.data.problems import EmojiProblem, Problem, ScenesProblem
from omniloom.data.problems.base import Example
from omniloom.data.problems.score import score
from omniloom.evaluation.pictures.rows import Comparison
from omniloom.evaluation.suites.report import SuiteRow
from omniloom.generation import Omni, Sampling, TokenChoice
from omniloom.generation.rerank import Reranker, best_reply
from omniloom.stream.parts import Text

DRAWN: Mapping[str, str] = {"scenes": "draw_typed", "emoji": "draw_emoji_typed"}
"""The tasks in which a picture is asked for in writing."""


def drawing_requests(name: str, num_examples: int, *, seed: int = 0) -> list[Example]:
    """New requests of a problem of `DRAWN`."""
    problem: Problem = {"scenes": ScenesProblem, "emoji": EmojiProblem}[name]()
    return [problem.example("new", seed * num_examples + number, DRAWN[name]) for number in range(num_examples)]


def measured_replies(
    omni: Omni, reranker: Reranker, examples: Sequence[Example], *, num_replies: int, temperature: float, seed: int = 0
) -> Iterator[Mapping[str, float]]:
    """Of each request: whether the chosen reply is right, and what share of all of them is.

    Only the picture's codes are drawn at the temperature; what is written before them is the likeliest.
    """
    sampling = Sampling(image=TokenChoice(temperature=temperature))
    for number, example in enumerate(examples):
        asked = " ".join(part.text for part in example.prompt[-1].parts if isinstance(part, Text))
        start = (seed * len(examples) + number) * num_replies
        found = best_reply(omni, reranker, asked, num_replies=num_replies, sampling=sampling, seed=start)
        right = [score(example, [item.candidate.image]) if item.candidate.image else 0.0 for item in found]
        yield {"best": right[0], "mean": fmean(right), "any": max(right)}


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
