"""Text examples as tokens in memory, for the same packing, loader and loop as the world's.

Text is encoded at about ten million characters a second and a core, so it is encoded anew by every run and nothing lies
on disk: what took hours for sound takes seconds here. Rows are those of `stream.layout.lay_out`, made as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omniloom.codecs.base import AnyTextCodec
from omniloom.data.texts.example import TextExample, fingerprint_of
from omniloom.data.token_dataset import EncodedExample, TokenDataset
from omniloom.stream import vocabulary as v
from omniloom.stream.layout import LossClass
from omniloom.stream.vocabulary import PAD, Vocabulary

OVERHEAD = 5
"""Positions of a row beside its text: <bos>, <user>, <want_text>, <assistant>, <end>."""


class TextDataset(TokenDataset):
    """Examples by number, each a conversation of one written reply."""

    def __init__(
        self,
        examples: Sequence[TextExample],
        codec: AnyTextCodec,
        vocabulary: Vocabulary,
        *,
        max_tokens: int | None = None,
    ) -> None:
        """`vocabulary` is one with this codec, a model's of text alone or any other's.

        Raises:
            ValueError: If there are no examples, one has more than `max_tokens` positions, which is named, or the
                vocabulary has another text codec.
        """
        if not examples:
            raise ValueError("there is no example to learn from; give at least one")
        vocabulary.require([codec.spec])
        self.folder = Path("(in memory)")
        self.vocabulary = vocabulary
        self.num_more = vocabulary.max_group - 1
        self.tasks = tuple(sorted({example.task for example in examples}))
        self.fingerprints = {spec.modality: spec.fingerprint for spec in vocabulary.specs.values()}
        self.fingerprint = fingerprint_of(examples)
        number_of = {task: number for number, task in enumerate(self.tasks)}
        self.task_of: NDArray[np.uint8] = np.array([number_of[example.task] for example in examples], np.uint8)
        start = vocabulary.start_of("text")
        dtype = np.uint16 if vocabulary.size <= 2**16 else np.uint32
        rows = [_row(example, codec, start) for example in examples]
        self.lengths = np.array([len(ids) for ids, _ in rows], np.int64)
        if max_tokens is not None and int(self.lengths.max()) > max_tokens:
            longest = int(self.lengths.argmax())
            raise ValueError(
                f"example {longest}, {examples[longest].prompt[:60]!r}, has {int(self.lengths[longest])} tokens, at "
                f"most {max_tokens} fit a row; shorten it or make rows longer"
            )
        self._offsets = np.cumsum([0, *self.lengths])
        self._ids = np.concatenate([np.array(ids, dtype) for ids, _ in rows])
        self._classes = np.concatenate([np.array(classes, np.uint8) for _, classes in rows])
        longest_row = int(self.lengths.max())
        self._zeros = np.zeros(longest_row, np.uint8)
        self._pads = np.full((longest_row, 1 + self.num_more), PAD, np.uint16)

    def __len__(self) -> int:
        return len(self.lengths)

    def _example(self, example: int) -> EncodedExample:
        own = slice(int(self._offsets[example]), int(self._offsets[example + 1]))
        length = own.stop - own.start
        zeros, pads = self._zeros[:length], self._pads[:length]
        return EncodedExample(self._ids[own], pads[:, 1:], zeros, self._classes[own], zeros, pads[:, 0])


def _row(example: TextExample, codec: AnyTextCodec, start: int) -> tuple[list[int], list[int]]:
    """Ids and loss classes."""
    prompt, reply = ([start + code for code in codec.encode_text(text)] for text in (example.prompt, example.reply))
    none, asked, written = LossClass.NONE, LossClass.PROMPT_TEXT, LossClass.REPLY_TEXT
    end = none if example.is_cut else written
    return (
        [v.BOS, v.USER, *prompt, v.WANT_TEXT, v.ASSISTANT, *reply, v.END],
        [none, none, *[asked] * len(prompt), none, none, *[written] * len(reply), end],
    )
