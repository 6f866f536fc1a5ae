"""What a caller may demand of the text of a reply, beside how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omniloom.generation.rules.constraint import Constraint
from omniloom.generation.rules.tools import ToolRules
from omniloom.stream.message import Want

MAX_STOPS = 4
MAX_STOP_CHARS = 256
MAX_LOGPROBS = 20
MAX_BIAS = 100.0


@dataclass(frozen=True, kw_only=True)
class TextRules:
    """Demands on a reply's text.

    A `constraint` holds a written reply to a form; it then ends where the form may end, and one that runs out of tokens
    before that has `finish_reason` "length". `calls` lets it be a call of a tool instead of an answer, or says that it
    must be (`tool_call_grammar`). It ends before the first of the `stop` strings, which is no part of it.
    `num_logprobs` asks for the log-probability of every token of text and of so many of the likeliest at its place;
    None asks for none. `bias` is added to the scores of text codes (`TextCodec.encode_text`), whatever else may come.

    A constraint and stop strings are of written replies; the others go with spoken and drawn ones as well.
    """

    constraint: Constraint | None = None
    calls: ToolRules | None = None
    stop: tuple[str, ...] = ()
    num_logprobs: int | None = None
    bias: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.stop) > MAX_STOPS:
            raise ValueError(f"at most {MAX_STOPS} stop strings are taken, got {len(self.stop)}")
        for stop in self.stop:
            if not 1 <= len(stop) <= MAX_STOP_CHARS:
                raise ValueError(f"a stop string must have 1 to {MAX_STOP_CHARS} characters, got {len(stop)}")
        if self.num_logprobs is not None and not 0 <= self.num_logprobs <= MAX_LOGPROBS:
            raise ValueError(f"num_logprobs must be from 0 to {MAX_LOGPROBS}, got {self.num_logprobs}")
        for code, bias in self.bias.items():
            if not abs(bias) <= MAX_BIAS:
                raise ValueError(f"a bias must be from -{MAX_BIAS:.0f} to {MAX_BIAS:.0f}, got {bias} for code {code}")
        if self.constraint is not None and self.calls is not None:
            raise ValueError(
                "a reply is held to a form or may call a tool, not both; leave the constraint out, or choose the tool "
                "'none'"
            )

    def check(self, wants: frozenset[Want], *, vocab_size: int) -> None:
        """Refuse what such a reply cannot keep.

        Raises:
            ValueError: If a reply that is not only written is constrained or has stop strings, or a bias is of no code.
        """
        if wants != {"text"}:
            named = " and ".join(sorted(wants))
            if self.constraint is not None:
                raise ValueError(f"a reply in {named} cannot be held to a form; want text, or leave the constraint out")
            if self.stop:
                raise ValueError(f"a reply in {named} has no stop strings; want text, or leave them out")
        wrong = [code for code in self.bias if not 0 <= code < vocab_size]
        if wrong:
            raise ValueError(f"a bias must be of a text code in 0..{vocab_size - 1}, got {wrong[:8]}")
