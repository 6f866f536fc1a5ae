"""Replies and repeated prompts as choices: text, and each token with where it begins in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from omniloom.generation import Done, Event, TextDelta, Usage
from omniloom.generation.rules import TokenLogprob
from omniloom.serving.http.completions import wire
from omniloom.serving.http.completions.reading import Echo


@dataclass
class ToldChoice:
    """One choice, piece by piece: what is repeated, then what is written."""

    index: int
    with_logprobs: bool
    num_top: int = 0
    usage: Usage | None = None
    _told: bytearray = field(default_factory=bytearray)

    def repeat(self, text: str, echo: Echo | None) -> wire.TextChoice:
        """The prompt, with its tokens where they were scored."""
        logprobs = None
        if echo is not None and self.with_logprobs:
            said = [TokenLogprob(text=data.decode(errors="replace"), data=data, logprob=0.0) for data in echo.said]
            logprobs = self._tokens([*said, *echo.scored], num_unscored=len(said))
        # What is written begins where the repeated text ends, whatever a prompt's codes hold.
        self._told = bytearray(text.encode())
        return wire.TextChoice(text=text, index=self.index, logprobs=logprobs)

    def add(self, event: Event) -> Iterator[wire.TextChoice]:
        """What one event of the model adds."""
        if isinstance(event, TextDelta):
            yield self._written(event.text, event.logprobs)
        elif isinstance(event, Done):
            self.usage = event.usage
            yield self.ended("stop" if event.finish_reason == "stop" else "length")

    def ended(self, reason: str) -> wire.TextChoice:
        """The last piece."""
        return wire.TextChoice(text="", index=self.index, finish_reason="stop" if reason == "stop" else "length")

    def _written(self, text: str, tokens: Sequence[TokenLogprob]) -> wire.TextChoice:
        logprobs = self._tokens(tokens) if self.with_logprobs else None
        return wire.TextChoice(text=text, index=self.index, logprobs=logprobs)

    def _tokens(self, tokens: Sequence[TokenLogprob], *, num_unscored: int = 0) -> wire.Logprobs:
        """Tokens that follow each other; those of controls, such as the mark that ends a reply, hold no text."""
        told = wire.Logprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        for place, token in enumerate(tokens):
            # A character of which part is told already begins with its first byte.
            told.text_offset.append(len(self._told.decode(errors="ignore")))
            told.tokens.append(token.text)
            is_scored = place >= num_unscored
            told.token_logprobs.append(token.logprob if is_scored else None)
            told.top_logprobs.append(self._top(token) if is_scored else None)
            self._told += token.data or b""
        return told

    def _top(self, token: TokenLogprob) -> dict[str, float]:
        """The likeliest tokens by their text, and this one; of several with one text the likeliest."""
        found: dict[str, float] = {}
        for other in (*token.top[: self.num_top], token):
            found[other.text] = max(other.logprob, found.get(other.text, -float("inf")))
        return found


def joined(pieces: Sequence[wire.TextChoice], *, with_logprobs: bool) -> wire.TextChoice:
    """A choice's pieces as one."""
    told = [piece.logprobs for piece in pieces if piece.logprobs is not None]
    logprobs = wire.Logprobs(
        tokens=[token for one in told for token in one.tokens],
        token_logprobs=[value for one in told for value in one.token_logprobs],
        top_logprobs=[value for one in told for value in one.top_logprobs],
        text_offset=[value for one in told for value in one.text_offset],
    )
    return wire.TextChoice(
        text="".join(piece.text for piece in pieces),
        index=pieces[0].index,
        logprobs=logprobs if with_logprobs else None,
        finish_reason=pieces[-1].finish_reason,
    )
