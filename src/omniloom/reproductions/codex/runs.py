"""What a token for every run of spaces saves on code: much where the tokenizer learned from prose, as GPT-3's did.

A byte-pair encoding that learns from code joins its indentation by itself, and parting runs from the words behind them
then costs a little; that is told beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from omniloom.codecs.text import TextCodec
from omniloom.data.code.stdlib import stdlib_sources
from omniloom.recipes.text_codec import english_texts
from omniloom.reproductions.result import Row

VOCAB_SIZE = 4096
LONGEST_RUN = 32
PROSE_CHARACTERS = 3_000_000
LEAST_SAVED = 0.25


def runs_row() -> Row:
    """Codecs of `VOCAB_SIZE` tokens, and `LONGEST_RUN` - 1 more for runs, on modules that neither learned from."""
    sources = stdlib_sources()
    learned, asked = sources[::4], sources[1::4]
    prose = [re.sub(r"\s+", " ", text) for text in english_texts(PROSE_CHARACTERS)]
    of_prose, of_code = (saved(texts, asked) for texts in (prose, learned))
    return Row(
        name="tokens saved by runs of spaces",
        paper="about 30 %",
        bar=f"≥ {LEAST_SAVED:.0%}, of a tokenizer of prose",
        here=f"{of_prose:.0%}; of a tokenizer of code {of_code:.0%}",
        is_reached=of_prose >= LEAST_SAVED,
    )


def saved(learned: Sequence[str], asked: Sequence[str], *, vocab_size: int = VOCAB_SIZE) -> float:
    """The share of the tokens of `asked` that runs of spaces save a codec that learned from `learned`."""
    plain = TextCodec.train(learned, vocab_size)
    with_runs = TextCodec.train(learned, vocab_size + LONGEST_RUN - 1, longest_run=LONGEST_RUN)
    before, after = (sum(len(codec.encode_text(text)) for text in asked) for codec in (plain, with_runs))
    return 1 - after / before
