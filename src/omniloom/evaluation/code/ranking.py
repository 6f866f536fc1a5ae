"""Choosing one of many samples without running them: by the log-probability of a token, or by telling the task back.

The mean log-probability (Chen et al. 2021, section 3.3 and figure 7) asks the model that wrote the samples.
Back-scoring (section 5) asks a model of the opposite direction, which has learned to describe code: P(docstring |
code). `combined` adds both, a token's mean each. What a choice is worth lies between a random one, which is pass@1, and
an oracle's, which is pass@n.

A sample of which nothing is told, because it is empty or the endpoint says no log-probabilities, ranks last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omniloom.data.code.problem import CodeProblem
from omniloom.generation import Omni

BACK_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A sample with its verdict and what it can be ranked by."""

    completion: str
    passed: bool
    mean_logprob: float | None = None
    back: float | None = None

    @property
    def combined(self) -> float | None:
        if self.mean_logprob is None or self.back is None:
            return None
        return self.mean_logprob + self.back


RANKERS = {"mean log-probability": "mean_logprob", "back-scoring": "back", "combined": "combined"}
"""Name to the attribute that is ranked by."""


def chosen_passes(samples: Sequence[Judged], attribute: str) -> float:
    """Whether the best by an attribute passes; among equally good ones the share that do, as if one were drawn."""
    scores = [_score(own, attribute) for own in samples]
    best = max(scores)
    picked = [own.passed for own, score in zip(samples, scores, strict=True) if score == best]
    return sum(picked) / len(picked)


def is_ranked(samples: Sequence[Judged], attribute: str) -> bool:
    """Whether anything is told to rank by."""
    return any(getattr(own, attribute) is not None for own in samples)


def _score(sample: Judged, attribute: str) -> float:
    value: float | None = getattr(sample, attribute)
    return -math.inf if value is None else value


class BackScorer:
    """An inverse model: the log-probability of a token of a problem's description, given the code."""

    def __init__(self, omni: Omni, *, name: str) -> None:
        self._omni, self.name = omni, name

    def scores(self, asked: Sequence[tuple[CodeProblem, str]]) -> Iterator[tuple[int, float | None]]:
        """For each problem and completion its place and score; None where they do not fit the model's context."""
        text = self._omni.codecs.text
        for start in range(0, len(asked), BACK_BATCH):
            batch = {
                place: (problem.header + completion, [problem.description])
                for place, (problem, completion) in enumerate(asked[start : start + BACK_BATCH], start=start)
            }
            room = self._omni.context - 8
            lengths = {
                place: len(text.encode_text(code)) + len(text.encode_text(told[0]))
                for place, (code, told) in batch.items()
            }
            fitting = [place for place in batch if lengths[place] <= room and batch[place][0].strip()]
            found = self._omni.likelihoods([batch[place] for place in fitting])
            told = {place: own.logprob / own.num_tokens for place, (own,) in zip(fitting, found, strict=True)}
            for place in batch:
                yield place, told.get(place)
