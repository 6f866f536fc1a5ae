"""The best of N of an omni model's own drawings, judged by the world's rule readers, with no network among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from omniloom.data.problems import EmojiProblem, Problem, ScenesProblem
from omniloom.data.problems.base import Example
from omniloom.data.problems.score import score
from omniloom.evaluation.pictures.painters import DrawingRequest, Painter
from omniloom.evaluation.pictures.rows import Comparison
from omniloom.evaluation.rows import SEED_STRIDE
from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.suites.report import SuiteRow
from omniloom.generation.rerank import Reranker
from omniloom.stream.parts import Text

DRAWN: Mapping[str, str] = {"scenes": "draw_typed", "emoji": "draw_emoji_typed"}
"""The tasks in which a picture is asked for in writing."""

Found = Sequence[Mapping[str, float]]


def drawing_examples(name: str, num_examples: int, *, seed: int = 0) -> list[Example]:
    """New requests of a problem of `DRAWN`; more of them begin with the same."""
    problem: Problem = {"scenes": ScenesProblem, "emoji": EmojiProblem}[name]()
    return [problem.example("new", seed * SEED_STRIDE + number, DRAWN[name]) for number in range(num_examples)]


def measured_replies(
    painter: Painter,
    name: str,
    num_examples: int,
    items: Items,
    *,
    reranker: Reranker | None,
    num_replies: int,
    seed: int = 0,
) -> list[Mapping[str, float]]:
    """Of each request of a problem: what share of its candidates is right, and whether any is, and the chosen one.

    An item is one candidate, whether it is right, and how well the reranker thinks that it fits; a reply without a
    picture is wrong and never chosen. Without a reranker none is chosen.
    """
    examples = drawing_examples(name, num_examples, seed=seed)
    asked = [(example, number) for example in examples for number in range(num_replies)]
    start = seed * SEED_STRIDE * num_replies
    requests = [DrawingRequest(_words(example), start + place) for place, (example, _) in enumerate(asked)]

    def compute(places: list[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for place, image in painter.draw([requests[place] for place in places]):
            example = asked[places[place]][0]
            fit = None
            if image is not None and reranker is not None:
                # One by one, for the last bits of a cosine depend on what stands beside it in a batch.
                fit = float(reranker.scores(_words(example), [image])[0])
            right = 0.0 if image is None else score(example, [image])
            yield places[place], {"right": right, "fit": fit}

    keys = [f"{name} {place // num_replies}, candidate {number}" for place, (_, number) in enumerate(asked)]
    found = items.complete(keys, compute, title=f"pictures, {name}", unit="picture")
    return [chosen(found[first : first + num_replies]) for first in range(0, len(found), num_replies)]


def chosen(candidates: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of one request's candidates, the mean, any, and where they were ranked the best: of equal ones the first."""
    right = [float(own["right"]) for own in candidates]
    found = {"mean": fmean(right), "any": max(right)}
    fits = [(own["fit"], -place) for place, own in enumerate(candidates) if own["fit"] is not None]
    return found | {"best": right[-max(fits)[1]] if fits else 0.0}


def reply_rows(
    name: str, found: Found, *, num_replies: int, is_ranked: bool = True, seed: int = 0, note: str = ""
) -> list[SuiteRow]:
    """One candidate, and where they were ranked the best and the paired difference."""
    most = fmean(item["any"] for item in found)
    one = SuiteRow.of_scores(
        f"{name} right, one reply", [item["mean"] for item in found], seed=seed, ceiling=most, note=note
    )
    if not is_ranked:
        return [one]
    return [
        one,
        SuiteRow.of_scores(
            f"{name} right, best of {num_replies}", [item["best"] for item in found], seed=seed, ceiling=most
        ),
        Comparison.of(found, "best", "mean", seed=seed).row(f"{name}, best of {num_replies} less one", unit="share"),
    ]


def _words(example: Example) -> str:
    return " ".join(part.text for part in example.prompt[-1].parts if isinstance(part, Text))
