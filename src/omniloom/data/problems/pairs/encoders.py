"""Texts as rows of ids for pair problems, and back: subwords learned from the training split, or a word an id.

Ids 0 and 1 are padding and the end, as everywhere in Tensor2Tensor. Subwords are those of `codecs.text` (bytes as the
alphabet, so any text is encodable and comes back exactly), not Tensor2Tensor's own greedy ones, whose algorithm is its
own and slow in Python; the number of ids is what results depend on. Encoders are JSON and lie with a checkpoint: ids
without what made them mean nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tokenizers import Tokenizer

from omniloom.codecs.text import TextCodec
from omniloom.models.seq2seq.config import EOS, PAD

NUM_RESERVED = 2
"""Padding and the end."""


class PairEncoder(Protocol):
    """One side's texts to ids, each row with its end id, and back."""

    kind: str

    @property
    def num_ids(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """The ids of a text, the end id last.

        Raises:
            ValueError: If it holds something that has no id.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids up to the first end; padding is skipped."""
        ...

    def to_json(self) -> dict[str, Any]: ...


class SubwordEncoder:
    """Byte-level subwords."""

    kind = "subwords"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._codec = TextCodec(tokenizer, vocab_size=tokenizer.get_vocab_size())

    @property
    def num_ids(self) -> int:
        return self._codec.vocab_size + NUM_RESERVED

    def encode(self, text: str) -> list[int]:
        return [*(code + NUM_RESERVED for code in self._codec.encode_text(text)), EOS]

    def decode(self, ids: Sequence[int]) -> str:
        return self._codec.decode_text([number - NUM_RESERVED for number in _up_to_end(ids, num_ids=self.num_ids)])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "tokenizer": json.loads(self._tokenizer.to_str())}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SubwordEncoder:
        return cls(Tokenizer.from_str(json.dumps(data["tokenizer"])))


class TokenEncoder:
    """A word between spaces is an id; words that training did not have are refused."""

    kind = "tokens"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words, start=NUM_RESERVED)}
        if not self.words or len(self._ids) != len(self.words):
            raise ValueError(f"a vocabulary needs words, each once, got {len(words)}, of which {len(self._ids)} differ")

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> TokenEncoder:
        """All words of the texts, sorted."""
        return cls(sorted({word for text in texts for word in text.split()}))

    @property
    def num_ids(self) -> int:
        return len(self.words) + NUM_RESERVED

    def encode(self, text: str) -> list[int]:
        unknown = [word for word in text.split() if word not in self._ids]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no word of this vocabulary; it has {', '.join(self.words[:8])}, …")
        return [*(self._ids[word] for word in text.split()), EOS]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.words[number - NUM_RESERVED] for number in _up_to_end(ids, num_ids=self.num_ids))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.words)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TokenEncoder:
        return cls(data["words"])


ENCODERS: dict[str, type[SubwordEncoder] | type[TokenEncoder]] = {
    kind.kind: kind for kind in (SubwordEncoder, TokenEncoder)
}


@dataclass(frozen=True, kw_only=True)
class Markup:
    """Pieces of a text that stand in its target as they are, code and names: one sign each while it is translated.

    `pattern` is a regular expression of a piece.
    """

    pattern: str
    sign: str

    def taken_out(self, text: str) -> tuple[str, list[str]]:
        """The text with a sign for each piece, and the pieces in their order."""
        pieces: list[str] = []

        def keep(match: re.Match[str]) -> str:
            pieces.append(match[0])
            return self.sign

        return re.sub(self.pattern, keep, text), pieces

    def put_back(self, text: str, pieces: Sequence[str]) -> str:
        """The text with its signs filled in their order; signs beyond the pieces stay."""
        left = iter(pieces)
        return re.sub(re.escape(self.sign), lambda match: next(left, match[0]), text)


@dataclass(frozen=True, kw_only=True)
class PairEncoders:
    """Both sides' encoders, one object where they share a vocabulary; and the markup that never reaches them."""

    source: PairEncoder
    target: PairEncoder
    markup: Markup | None = None

    @property
    def is_shared(self) -> bool:
        return self.source is self.target

    def to_json(self) -> dict[str, Any]:
        """Plain values; a shared encoder stands there once."""
        source = {} if self.is_shared else {"source": self.source.to_json()}
        markup = {} if self.markup is None else {"markup": asdict(self.markup)}
        return {**source, "target": self.target.to_json(), **markup}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PairEncoders:
        """Raises ValueError if it is not what `to_json` wrote."""
        try:
            target = _encoder(data["target"])
            source = _encoder(data["source"]) if "source" in data else target
            return cls(source=source, target=target, markup=Markup(**data["markup"]) if "markup" in data else None)
        except ValueError:
            raise
        except Exception as error:  # tokenizers raises bare Exception for what it cannot read
            raise ValueError(f"this is no vocabulary of pairs ({error!r}); copy the folder again") from error


def learn_subwords(texts: Iterable[str], *, num_ids: int) -> SubwordEncoder:
    """Subwords of these texts, at most `num_ids` with padding and the end; fewer where the texts have no more.

    Raises:
        ValueError: If `num_ids` cannot hold the 256 bytes.
    """
    codec = TextCodec.train(texts, vocab_size=num_ids - NUM_RESERVED)
    return SubwordEncoder(codec.tokenizer)


def _encoder(data: Mapping[str, Any]) -> PairEncoder:
    kind = data.get("kind")
    if kind not in ENCODERS:
        raise ValueError(f"a vocabulary must be one of {', '.join(ENCODERS)}, got {kind!r}; copy the folder again")
    return ENCODERS[kind].from_json(data)


def _up_to_end(ids: Sequence[int], *, num_ids: int) -> list[int]:
    """The ids that stand for something.

    Raises:
        ValueError: If one is not of the vocabulary.
    """
    wrong = [number for number in ids if not 0 <= number < num_ids]
    if wrong:
        raise ValueError(f"ids must be between 0 and {num_ids - 1}, got {wrong[0]}")
    kept = list(ids)
    if EOS in kept:
        kept = kept[: kept.index(EOS)]
    return [number for number in kept if number != PAD]
