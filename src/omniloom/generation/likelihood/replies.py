"""How likely are given replies: the log-probability of each as a written reply to a prompt, in whole or by token.

A prompt is fed once for all of its replies: its row is cut back to it after each. Probabilities are those of sampling
at temperature 1, over what may come in a written reply; that it ends after the given words is not counted in, so that
an answer may be scored that the model would have gone on from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.generation.batch import WRITTEN
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.likelihood.feeding import Feeder
from omniloom.generation.rules.logprobs import TokenScores, token_scores
from omniloom.stream.grammar import NextIds, ReplyGrammar


class ReplyLikelihood(NamedTuple):
    """A reply's log-probability, in nats, its tokens, and whether each is the likeliest at its place."""

    logprob: float
    num_tokens: int
    is_likeliest: bool


@torch.inference_mode()
def reply_likelihoods(
    prepared: PreparedModel, asked: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]
) -> list[list[ReplyLikelihood]]:
    """For each prompt's ids, the reply's opening included, the likelihoods of its replies, in ids of text.

    Raises:
        ValueError: If a prompt with a reply does not fit the context.
        OutOfCache: If there is no memory for so many prompts at once.
    """
    found: list[list[ReplyLikelihood]] = [[] for _ in asked]
    grammar = prepared.grammar(WRITTEN)
    for place, reply, scores in _scored(prepared, asked):
        found[place].append(_likelihood(grammar, scores, reply))
    return found


@torch.inference_mode()
def reply_token_scores(
    prepared: PreparedModel, asked: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]], *, num_top: int
) -> list[list[tuple[TokenScores, ...]]]:
    """The same by token, each with so many of the likeliest ids at its place.

    Raises:
        ValueError: If a prompt with a reply does not fit the context.
        OutOfCache: If there is no memory for so many prompts at once.
    """
    found: list[list[tuple[TokenScores, ...]]] = [[] for _ in asked]
    grammar = prepared.grammar(WRITTEN)
    for place, reply, scores in _scored(prepared, asked):
        found[place].append(tuple(_by_token(grammar, scores, reply, num_top)))
    return found


@torch.inference_mode()
def _scored(
    prepared: PreparedModel, asked: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]
) -> Iterator[tuple[int, Sequence[int], Float[Tensor, "T scores"]]]:
    """Of every reply its prompt's place, its ids and the scores before each of them; a prompt's replies in order."""
    feeder = Feeder(prepared)
    rows = []
    for prompt, _ in asked:
        row = RowDecoder(prepared)
        row.append(prompt)
        rows.append(row)
    # After a prompt only its last position tells of the replies; all begin from the same scores.
    opening = feeder.feed(rows, scores_all=False)
    for number in range(max((len(replies) for _, replies in asked), default=0)):
        own = [place for place, (_, replies) in enumerate(asked) if number < len(replies)]
        for place in own:
            rows[place].append(asked[place][1][number][:-1])
        going = [place for place in own if rows[place].num_waiting]
        later = dict(zip(going, feeder.feed([rows[place] for place in going], scores_all=True), strict=True))
        for place in own:
            scores = [opening[place], *([later[place]] if place in later else [])]
            yield place, asked[place][1][number], torch.cat(scores)
            rows[place].truncate(len(asked[place][0]))


def _likelihood(grammar: ReplyGrammar, scores: Float[Tensor, "T scores"], reply: Sequence[int]) -> ReplyLikelihood:
    """The sum over the tokens of a reply, each among what may come at its place."""
    logprob, is_likeliest = 0.0, True
    for token, ids, allowed in _allowed(grammar, scores, reply):
        logprob += float(allowed.log_softmax(-1)[token - ids.first])
        is_likeliest &= int(allowed.argmax()) == token - ids.first
    return ReplyLikelihood(logprob, len(reply), is_likeliest)


def _by_token(
    grammar: ReplyGrammar, scores: Float[Tensor, "T scores"], reply: Sequence[int], num_top: int
) -> Iterator[TokenScores]:
    for token, ids, allowed in _allowed(grammar, scores, reply):
        yield token_scores(allowed.cpu().numpy(), ids, token, count=num_top)


def _allowed(
    grammar: ReplyGrammar, scores: Float[Tensor, "T scores"], reply: Sequence[int]
) -> Iterator[tuple[int, NextIds, Float[Tensor, " ids"]]]:
    """Each token with the ids that may come at its place and their scores, minus infinity where one may not.

    Raises:
        ValueError: If the reply is longer than the grammar lets a reply be.
    """
    state = grammar.start()
    for place, (own, token) in enumerate(zip(scores, reply, strict=True)):
        ids = grammar.next_ids(state)
        if not ids.first <= token < ids.stop or any(first <= token < stop for first, stop in ids.gaps):
            # Ids are of text alone, so only its length can be at fault.
            raise ValueError(
                f"the reply holds {len(reply)} tokens, a written reply {place} at most; give a shorter one"
            )
        allowed = grammar.scores(state, own).double()
        for first, stop in ids.gaps:
            allowed[first - ids.first : stop - ids.first] = -torch.inf
        yield token, ids, allowed
        state = grammar.advance(state, token)
