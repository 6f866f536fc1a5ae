"""How likely each token of a text was, and which others might have stood in its place.

A log-probability is that with which the token would have been drawn at temperature 1: over all ids that could have
come, of whichever kind, after a constraint has struck out others and with the caller's bias. It does not depend on
temperature or on how many candidates sampling keeps, so it tells what the model holds likely and not how it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from omniloom.codecs.base import AnyTextCodec
from omniloom.stream.grammar import NextIds
from omniloom.stream.vocabulary import Vocabulary


class TokenScores(NamedTuple):
    """A picked id's log-probability, and the likeliest ids of text and controls with theirs, likeliest first."""

    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """A token of a text, or what might have stood there: its bytes, None for a control such as <end>.

    `text` is those bytes as characters; half a character is U+FFFD.
    """

    text: str
    data: bytes | None
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


def token_scores(scores: np.ndarray, ids: NextIds, token: int, *, count: int) -> TokenScores:
    """Of the scores of `ids`, minus infinity where none may come."""
    exact = scores.astype(np.float64)
    largest = exact.max()
    total = largest + np.log(np.exp(exact - largest).sum())
    named = exact if ids.sound is None else exact[: ids.sound[0] - ids.first]  # sound comes after text and controls
    places = np.argpartition(named, -count)[-count:] if 0 < count < len(named) else np.arange(len(named))
    places = places[np.argsort(-named[places], kind="stable")][:count]
    top = tuple((ids.first + int(place), float(named[place] - total)) for place in places if named[place] > -np.inf)
    return TokenScores(float(exact[token - ids.first] - total), top)


def as_logprob(token: int, scores: TokenScores, *, codec: AnyTextCodec, vocabulary: Vocabulary) -> TokenLogprob:
    """In bytes and text."""
    others = tuple(_named(other, logprob, codec, vocabulary) for other, logprob in scores.top)
    own = _named(token, scores.logprob, codec, vocabulary)
    return TokenLogprob(text=own.text, data=own.data, logprob=own.logprob, top=others)


def _named(token: int, logprob: float, codec: AnyTextCodec, vocabulary: Vocabulary) -> TokenLogprob:
    if token < vocabulary.start_of("text"):
        return TokenLogprob(text=vocabulary.controls[token], data=None, logprob=logprob)
    data = codec.token_bytes[token - vocabulary.start_of("text")]
    return TokenLogprob(text=data.decode("utf-8", errors="replace"), data=data, logprob=logprob)
