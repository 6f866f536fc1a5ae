"""What is evaluated: anything that scores continuations and writes on.

Requests come many at once, so that an adapter may batch them as suits it, and answers go out as they are found, each
with its request's place, so that they can be kept before the rest is done. A score request carries all continuations of
one prefix, so that it may be computed once. Text goes in and out: tokens are the adapter's own business, except that
a prompt must be fitted to a context that is counted in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from omniloom.generation.beam import BeamSearch
from omniloom.stream.parts import Audio, Image, Video

Medium = Audio | Image | Video
"""What a prompt may hold beside text."""

GREEDY = BeamSearch(size=1)
"""The likeliest token everywhere."""

PAPER_SEARCH = BeamSearch(size=4, alpha=0.6)
"""What GPT-3's answers in its own words were found by (Brown and others 2020, section 2.4)."""


class Likelihood(NamedTuple):
    """The log-probability of a continuation, in nats, and the tokens that it holds.

    `is_likeliest` says whether each of them is the likeliest at its place; None where the model does not tell.
    """

    logprob: float
    num_tokens: int
    is_likeliest: bool | None = None

    @property
    def per_token(self) -> float:
        return self.logprob / self.num_tokens


@dataclass(frozen=True)
class Shown:
    """A solved item in turns of its own: what was asked, with a mark for each of its media, and what was answered."""

    asked: str
    answered: str
    media: tuple[Medium, ...] = ()


@dataclass(frozen=True)
class ScoreRequest:
    """How likely is each of these continuations of a prefix?

    The prefix has a mark (`media.MEDIUM`) for each of the `media` in it. Before it a conversation may have `shown`
    solved items, which only a model that takes turns is given.
    """

    prefix: str
    continuations: tuple[str, ...]
    media: tuple[Medium, ...] = ()
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class WriteRequest:
    """What comes after a prefix, up to the first of the stops, which is no part of it, or `max_tokens`?"""

    prefix: str
    stops: tuple[str, ...]
    max_tokens: int
    search: BeamSearch = GREEDY
    media: tuple[Medium, ...] = ()
    shown: tuple[Shown, ...] = ()


@dataclass
class TokenCount:
    """Tokens of all prefixes, each with each of its continuations, and those that went through the model for them."""

    asked: int = 0
    computed: int = 0


class LanguageModel(Protocol):
    """`name` tells this model from every other, for results are kept under it; `context` is in tokens."""

    @property
    def name(self) -> str: ...

    @property
    def context(self) -> int: ...

    def num_tokens(self, text: str) -> int: ...

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """For each request its place and the likelihoods of its continuations."""
        ...

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        """For each request its place and what the model writes, as its search finds it."""
        ...


def takes_turns(model: LanguageModel) -> bool:
    """Whether its requests may have `shown` items; a model says so by an attribute of this name."""
    return bool(getattr(model, "takes_turns", False))


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop in it."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
