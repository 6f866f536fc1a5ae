"""The text of a reply as its reader gets it: without what follows a stop string, with log-probabilities, or as a call.

What is given out never has to be taken back: characters that may belong to a stop string are held back, and so are the
log-probabilities of their tokens.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from omniloom.codecs.base import AnyTextCodec
from omniloom.generation.rules.logprobs import TokenLogprob, TokenScores, as_logprob
from omniloom.generation.rules.stops import StopFinder
from omniloom.generation.rules.text_rules import TextRules
from omniloom.generation.rules.tools import CALL_START, CallReader, ToolCall
from omniloom.stream.vocabulary import Vocabulary


class TextPiece(NamedTuple):
    """More of an answer's text, with the log-probabilities of the tokens that it begins; or more of a call."""

    text: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    arguments: str = ""
    begins_call: bool = False


class TextReader:
    """One reply's text, token by token."""

    def __init__(self, codec: AnyTextCodec, vocabulary: Vocabulary, rules: TextRules) -> None:
        self._codec = codec
        self._vocabulary = vocabulary
        self._start = vocabulary.start_of("text")
        self._stream = codec.stream()
        self._stops = StopFinder(rules.stop)
        self._may_call = rules.calls is not None
        self._call: CallReader | None = None
        self._num_decoded = 0
        self._num_out = 0
        self._waiting: deque[tuple[int, TokenLogprob]] = deque()  # and where the text of each begins

    @property
    def stopped_by(self) -> str | None:
        return self._stops.found

    @property
    def call(self) -> ToolCall | None:
        """The call, whole once no more tokens come."""
        return self._call.call() if self._call is not None else None

    @property
    def is_call(self) -> bool:
        return self._call is not None

    def push(self, code: int, scores: TokenScores | None) -> TextPiece:
        """What the next token brings."""
        text = self._stream.push(code)
        if self._may_call:
            self._may_call = False  # the first token tells
            self._call = CallReader() if text.startswith(CALL_START) else None
        if self._call is not None:
            was_known = self._call.name is not None
            arguments = self._call.push(text)
            return TextPiece(arguments=arguments, begins_call=not was_known and self._call.name is not None)
        if scores is not None:
            logprob = as_logprob(code + self._start, scores, codec=self._codec, vocabulary=self._vocabulary)
            self._waiting.append((self._num_decoded, logprob))
        self._num_decoded += len(text)
        return self._given_out(self._stops.push(text))

    def flush(self, *, is_last: bool) -> TextPiece:
        """What is left where a run of text ends: half a character, and where no more text comes, what was held back."""
        rest = self._stream.flush()
        if self._call is not None:
            return TextPiece(arguments=self._call.push(rest) + (self._call.flush() if is_last else ""))
        if self._stops.found is not None:
            return TextPiece()
        self._num_decoded += len(rest)
        text = self._stops.push(rest)
        piece = self._given_out(text + self._stops.flush() if is_last else text)
        left = tuple(logprob for _, logprob in self._waiting) if is_last else ()
        return piece._replace(logprobs=(*piece.logprobs, *left))

    def _given_out(self, text: str) -> TextPiece:
        self._num_out += len(text)
        found = []
        while self._waiting and self._waiting[0][0] < self._num_out:
            found.append(self._waiting.popleft()[1])
        return TextPiece(text=text, logprobs=tuple(found))
