"""An omni checkpoint as a model of text: the prompt is the user's turn, the continuation a written reply.

The turn may hold sounds and pictures where they stand in the prompt, those of the demonstrations as of the question.

Such a model has learned conversations and not to go on with somebody's text, so a continuation is a reply: without the
space that stands before it in the prompt. Solved items that are given as turns are turns of the conversation. All else
is as for any model of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omniloom.evaluation.few_shot.models.base import (
    Likelihood,
    Medium,
    ScoreRequest,
    TokenCount,
    WriteRequest,
    cut_at_stop,
)
from omniloom.evaluation.few_shot.models.media import parts_of
from omniloom.evaluation.workers.identity import identity
from omniloom.generation import Omni, Prompt, Sampling, TextRules
from omniloom.generation.beam import BeamSearch
from omniloom.generation.rules.text_rules import MAX_STOPS
from omniloom.generation.turns import TurnCodec
from omniloom.stream.folding import fold
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

OPENING = 6
"""Positions for <bos>, <user>, <want_text>, <assistant>, <end>, and one to spare."""


class OmniLanguageModel:
    """`omni` answers prompts; `batch_rows` of them at a time."""

    takes_turns = True

    def __init__(self, omni: Omni, *, name: str = "omni", batch_rows: int = 64) -> None:
        self._omni = omni
        self._batch_rows = batch_rows
        self.name = f"{name} {identity(omni)}"
        self.context = omni.context - OPENING
        self._turns = TurnCodec(omni.codecs, omni.vocabulary)
        self._num_tokens: dict[Medium, int] = {}
        self._asked, self._computed_before = 0, omni.num_computed

    @property
    def count(self) -> TokenCount:
        """Of all that was asked of it so far; computed are positions of `omni`, the opening of each prompt included.

        What others ask the same `omni` meanwhile is among them.
        """
        return TokenCount(self._asked, self._omni.num_computed - self._computed_before)

    def num_tokens(self, text: str) -> int:
        return len(self._omni.codecs.text.encode_text(text))

    def num_media_tokens(self, medium: Medium) -> int:
        """Positions that it takes in the stream; counted once, for a medium is shown in many prompts."""
        if medium not in self._num_tokens:
            ids = self._turns.encode(Message("user", (medium,))).ids
            self._num_tokens[medium] = len(fold(ids, self._omni.vocabulary))
        return self._num_tokens[medium]

    def _num_asked(self, request: ScoreRequest | WriteRequest) -> int:
        texts = [request.prefix, *(text for own in request.shown for text in (own.asked, own.answered))]
        media = [*request.media, *(medium for own in request.shown for medium in own.media)]
        return sum(map(self.num_tokens, texts)) + sum(map(self.num_media_tokens, media))

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        for start in range(0, len(requests), self._batch_rows):
            batch = requests[start : start + self._batch_rows]
            asked = [(_prompt(own), [reply.lstrip() for reply in own.continuations]) for own in batch]
            found = self._omni.likelihoods(asked, batch_rows=self._batch_rows)
            self._asked += sum(
                len(scores) * self._num_asked(own) + sum(reply.num_tokens for reply in scores)
                for own, scores in zip(batch, found, strict=True)
            )
            for place, replies in enumerate(found, start=start):
                yield place, tuple(Likelihood(*own) for own in replies)

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        for kind in dict.fromkeys(_kind(own) for own in requests):
            places = [place for place, own in enumerate(requests) if _kind(own) == kind]
            for start in range(0, len(places), self._batch_rows):
                batch = places[start : start + self._batch_rows]
                yield from zip(batch, self._written([requests[place] for place in batch]), strict=True)

    def _written(self, batch: Sequence[WriteRequest]) -> list[str]:
        """The answers to requests of one kind."""
        stops, max_tokens, search = _kind(batch[0])
        prefixes = [_prompt(own) for own in batch]
        self._asked += sum(map(self._num_asked, batch))
        if search.size > 1:
            found = self._omni.search(prefixes, search, max_tokens=max_tokens, stops=stops, batch_rows=self._batch_rows)
            texts = [best.text for best, *_ in found]
            self._asked += sum(map(self.num_tokens, texts))
            return texts
        replies = self._omni.reply_batch(
            prefixes,
            sampling=Sampling(temperature=0.0),
            max_tokens=max_tokens,
            batch_rows=self._batch_rows,
            rules=TextRules(stop=stops[:MAX_STOPS]),
        )
        self._asked += sum(len(reply.ids) for reply in replies)
        return [cut_at_stop(reply.text, stops) for reply in replies]


def _prompt(request: ScoreRequest | WriteRequest) -> Prompt:
    if not request.shown:
        return parts_of(request.prefix, request.media) if request.media else request.prefix
    turns: list[Message] = []
    for own in request.shown:
        turns.append(Message("user", tuple(parts_of(own.asked, own.media))))
        turns.append(Message("assistant", (Text(own.answered),)))
    return [*turns, Message("user", tuple(parts_of(request.prefix, request.media)))]


def _kind(request: WriteRequest) -> tuple[tuple[str, ...], int, BeamSearch]:
    """What requests that are written together have in common."""
    return request.stops, request.max_tokens, request.search
