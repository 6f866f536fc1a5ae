"""Constraints made ready for one model's text codec, and the rules of one reply while its tokens are picked.

A `Rulebook` is the model's: it compiles each constraint once and hands out copies of its start, of which a `Ruling`
walks one. After each token the ruling asks llguidance which tokens may follow: one bit for each text code and one for
<end>, spread over the scores of the ids that the reply's grammar offers. So a step costs what the library takes, a few
microseconds, and two passes over the scores (`benchmarks/generation/bench_rules.py`), and no loop over the vocabulary.

Bytes that a constraint leaves no choice about are written in the codec's own tokens, as the model knows them, and not
in any that spell them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from omniloom.codecs.base import AnyTextCodec
from omniloom.generation.rules.constraint import Constraint, grammar_of, limits
from omniloom.generation.rules.logprobs import TokenScores, token_scores
from omniloom.generation.rules.stops import StopFinder
from omniloom.generation.rules.text_rules import TextRules
from omniloom.generation.rules.tools import CALL_START
from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import NextIds
from omniloom.stream.message import Want
from omniloom.stream.vocabulary import Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_COMPILED = 64
"""Compiled constraints that a model keeps, those used last; one takes up to some megabytes."""


class Rulebook:
    """What the rules of all replies of a model share; safe to use from several threads."""

    def __init__(self, vocabulary: Vocabulary, codec: AnyTextCodec) -> None:
        self.vocabulary = vocabulary
        self.codec = codec
        self._tokenizer: LLTokenizer | None = None
        self._compiled: OrderedDict[Constraint, LLMatcher] = OrderedDict()
        self._lock = threading.Lock()
        self.begins_call = np.array([data.startswith(CALL_START.encode()) for data in codec.token_bytes])

    def ruling(self, rules: TextRules | None, wants: frozenset[Want]) -> Ruling | None:
        """The rules of one reply; None where there are none.

        Raises:
            ValueError: If they do not go with what is wanted, or a constraint cannot be kept.
        """
        if rules is None or rules == TextRules():
            return None
        rules.check(wants, vocab_size=len(self.codec.token_bytes))
        constraint = rules.calls.constraint if rules.calls is not None else rules.constraint
        return Ruling(self, rules, None if constraint is None else self.matcher(constraint))

    def matcher(self, constraint: Constraint) -> LLMatcher:
        """A text's way through the constraint, at its start.

        Raises:
            ValueError: If the constraint is malformed, too large, asks for what cannot be held to, or allows no text.
        """
        with self._lock:
            found = self._compiled.get(constraint)
            if found is not None:
                self._compiled.move_to_end(constraint)
                return found.deep_copy()
        found = self._compile(constraint)
        with self._lock:
            self._compiled[constraint] = found
            while len(self._compiled) > MAX_COMPILED:
                self._compiled.popitem(last=False)
            return found.deep_copy()

    def _compile(self, constraint: Constraint) -> LLMatcher:
        from llguidance import LLMatcher

        matcher = LLMatcher(self._llguidance_tokenizer(), grammar_of(constraint), log_level=0, limits=limits())
        # The first mask is where most of what is left is compiled; a copy has it.
        mask = b"" if matcher.is_error() else matcher.compute_bitmask()
        if matcher.is_error():
            raise ValueError(
                f"a reply cannot be held to this {constraint.name}: {_error_of(matcher)}; change it, or leave it out"
            )
        if not spread(mask, len(self.codec.token_bytes))[:-1].any():
            raise ValueError(f"this {constraint.name} allows no text; change it, or leave it out")
        return matcher

    def _llguidance_tokenizer(self) -> LLTokenizer:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = _llguidance_tokenizer(self.codec)
            return self._tokenizer


class Ruling:
    """The rules of one reply, at one of its steps."""

    def __init__(self, book: Rulebook, rules: TextRules, matcher: LLMatcher | None) -> None:
        self._rules = rules
        self._book = book
        self._matcher = matcher
        self._may_answer = rules.calls is not None and not rules.calls.is_required
        self._text_start = book.vocabulary.start_of("text")
        self._vocab_size = len(book.codec.token_bytes)
        self._bias = _dense(rules, self._vocab_size)
        self._bits: np.ndarray | None = None  # which codes and, last, whether <end> may come now; None where all may
        self._stops = StopFinder(rules.stop)
        self._stream = book.codec.stream()
        self._is_first = True
        self.is_call = False
        self.fault: ValueError | None = None
        self.token_scores: list[TokenScores | None] = []

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stops.found is not None

    @property
    def must_call(self) -> bool:
        return self._rules.calls is not None and self._rules.calls.is_required

    def look(self, ids: NextIds) -> bool:
        """Find out which of the ids that are offered next the rules allow; False if it is none of them."""
        self._bits = None
        if self._matcher is None:
            return True
        bits = spread(self._matcher.compute_bitmask(), self._vocab_size)
        if self._matcher.is_error():
            self.fault = ValueError(
                f"the reply cannot be held to its form any further: {_error_of(self._matcher)}; use a simpler one"
            )
            return False
        if self._may_answer:  # the first token, which tells an answer from a call
            bits[:-1] |= ~self._book.begins_call
        self._bits = bits
        return bool(bits[-1] and _offers_end(ids)) or (self._text_places(ids) is not None and bool(bits[:-1].any()))

    def steer(self, scores: np.ndarray, ids: NextIds) -> None:
        """Change the scores of the ids offered: add the bias and strike out what is not allowed."""
        text = self._text_places(ids)
        if self._bias is not None and text is not None:
            scores[text] += self._bias
        if self._bits is None:
            return
        if text is not None:
            np.copyto(scores[text], -np.inf, where=~self._bits[:-1])
        if not self._bits[-1] and _offers_end(ids):
            scores[v.END - ids.first] = -np.inf

    def take(self, token: int, scores: np.ndarray, ids: NextIds) -> None:
        """One more token has been picked, by these scores."""
        code = token - self._text_start
        is_text = 0 <= code < self._vocab_size
        wants_logprobs = is_text and self._rules.num_logprobs is not None
        self.token_scores.append(
            token_scores(scores, ids, token, count=self._rules.num_logprobs or 0) if wants_logprobs else None
        )
        if self._is_first:
            self._is_first = False
            self.is_call = self._rules.calls is not None and is_text and bool(self._book.begins_call[code])
            if self._may_answer:
                self._may_answer = False
                self._matcher = self._matcher if self.is_call else None
        if not is_text:
            return
        if self._matcher is not None and not self._matcher.consume_token(code):
            self.fault = ValueError(f"the reply left its form: {_error_of(self._matcher)}; use a simpler one")
        if self._rules.stop and not self.is_call:
            self._stops.push(self._stream.push(code))

    def _text_places(self, ids: NextIds) -> slice | None:
        """Where the scores of text stand; None where none is offered."""
        first = self._text_start - ids.first
        return slice(first, first + self._vocab_size) if first >= 0 and self._text_start < ids.stop else None


def spread(mask: bytes, vocab_size: int) -> np.ndarray:
    """One truth for each text code and, last, one for the end, from llguidance's bits."""
    packed = np.frombuffer(mask, dtype=np.uint8)
    return np.unpackbits(packed, count=vocab_size + 1, bitorder="little").view(bool)


def _offers_end(ids: NextIds) -> bool:
    return ids.first <= v.END < ids.stop and not any(first <= v.END < stop for first, stop in ids.gaps)


def _error_of(matcher: LLMatcher) -> str:
    """What the library says, on one line."""
    return " ".join(matcher.get_error().split())[:300]


def _dense(rules: TextRules, vocab_size: int) -> np.ndarray | None:
    if not rules.bias:
        return None
    found = np.zeros(vocab_size, dtype=np.float32)
    found[list(rules.bias)] = list(rules.bias.values())
    return found


def _llguidance_tokenizer(codec: AnyTextCodec) -> LLTokenizer:
    """The codec's tokens and, after them, the end."""
    from llguidance import LLTokenizer, TokenizerWrapper

    class Described:
        """What `TokenizerWrapper` asks of a tokenizer."""

        eos_token_id = len(codec.token_bytes)
        bos_token_id = None
        tokens = (*codec.token_bytes, b"<end>")
        special_token_ids = (eos_token_id,)

        def __call__(self, text: Any) -> list[int]:
            return codec.encode_text(text)

    return LLTokenizer(TokenizerWrapper(Described()))
