"""Prompts through a model: which option is likeliest, or what it writes; and what that scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omniloom.evaluation.few_shot.models.base import GREEDY, LanguageModel, ScoreRequest, WriteRequest
from omniloom.evaluation.few_shot.prompts import Prompt
from omniloom.evaluation.few_shot.task import FreeForm, Options, Task
from omniloom.generation.beam import BeamSearch


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered, and its score; `option_scores` are what options were chosen by."""

    given: str
    score: float
    option_scores: tuple[float, ...] = ()


def answers(
    model: LanguageModel, task: Task, prompts: Sequence[Prompt], *, search: BeamSearch = GREEDY
) -> Iterator[tuple[int, Answer]]:
    """The answers to prompts of one task with their places, as they are found; what is written is found by `search`.

    A prompt that does not fit is not asked and scores nothing.
    """
    for place, prompt in enumerate(prompts):
        if not prompt.fits:
            yield place, Answer(given="", score=0.0)
    places = [place for place, prompt in enumerate(prompts) if prompt.fits]
    asked = [prompts[place] for place in places]
    answering = task.answering
    if isinstance(answering, Options):
        found = _chosen(model, answering, asked)
    else:
        found = _written(model, answering, asked, search)
    for number, answer in found:
        yield places[number], answer


def _chosen(model: LanguageModel, answering: Options, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
    priors = _priors(model, answering, prompts) if answering.scoring == "normalised" else {}
    requests = [ScoreRequest(own.text, own.item.options, own.media, own.shown) for own in prompts]
    for number, scored in model.score(requests):
        item = prompts[number].item
        if priors:
            own = tuple(now.logprob - prior for now, prior in zip(scored, priors[item.options], strict=True))
        else:
            own = tuple(now.logprob if answering.scoring == "whole" else now.per_token for now in scored)
        given = item.options[max(range(len(own)), key=own.__getitem__)]
        yield number, Answer(given=given, score=float(given in item.answers), option_scores=own)


def _priors(
    model: LanguageModel, answering: Options, prompts: Sequence[Prompt]
) -> dict[tuple[str, ...], tuple[float, ...]]:
    """The log-probabilities of options after the answer context alone, with one space between; each set once."""
    known = list(dict.fromkeys(prompt.item.options for prompt in prompts))
    asked = [ScoreRequest(answering.answer_context, tuple(f" {option.strip()}" for option in own)) for own in known]
    return {known[number]: tuple(now.logprob for now in scored) for number, scored in model.score(asked)}


def _written(
    model: LanguageModel, answering: FreeForm, prompts: Sequence[Prompt], search: BeamSearch
) -> Iterator[tuple[int, Answer]]:
    requests = [
        WriteRequest(own.text, answering.stops, answering.max_tokens, search, own.media, own.shown) for own in prompts
    ]
    for number, text in model.write(requests):
        yield number, Answer(given=text, score=judge(answering, text, prompts[number].item.answers))


def judge(answering: FreeForm, text: str, answers: Sequence[str]) -> float:
    """What a text scores; one in which no answer can be found scores nothing."""
    given = answering.read(text)
    return answering.metric.score(given, [answering.read(answer) for answer in answers]) if given else 0.0
