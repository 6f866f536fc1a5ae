"""Short examples packed into rows of one length, so that almost every token that is computed is learned from.

Examples are taken in a shuffled order and each is put where it fits best among a window of open rows. Sorting by length
would pack a little tighter and make every batch a batch of likenesses; the window keeps the order nearly random. Rows
of an epoch depend on the seed and the epoch alone, so a resumed run asks for its next row and gets the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from omniloom.core.randomness import generator
from omniloom.data.token_dataset import TokenDataset
from omniloom.stream.vocabulary import PAD

OPEN_ROWS = 96
"""Rows that wait for a piece that fits; from 64 on more than 98 % of each is filled at 110 tokens an example."""


@dataclass(frozen=True)
class PackedRows:
    """Which examples stand in which row: `examples[starts[r] : starts[r + 1]]` for row r."""

    examples: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> NDArray[np.int64]:
        if not 0 <= row < len(self):
            raise IndexError(f"row must be between 0 and {len(self) - 1}, got {row}")
        return self.examples[self.starts[row] : self.starts[row + 1]]


def pack(lengths: NDArray[np.int64] | Sequence[int], *, row_length: int, seed: int, epoch: int = 0) -> PackedRows:
    """Put every example into exactly one row of at most `row_length` tokens.

    Raises:
        ValueError: If there are no examples, or one is longer than a row.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size == 0:
        raise ValueError("there are no examples to pack; prepare some first")
    if sizes.max() > row_length:
        raise ValueError(
            f"example {int(sizes.argmax())} has {int(sizes.max())} tokens, more than row_length {row_length}; "
            "give longer rows or leave it out"
        )
    random = generator("pack", seed, epoch)
    rows = _fill(random.permutation(sizes.size).tolist(), sizes.tolist(), row_length)
    rows = [rows[index] for index in random.permutation(len(rows))]
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return PackedRows(np.array([index for row in rows for index in row], dtype=np.int64), starts)


def _fill(order: list[int], sizes: list[int], row_length: int) -> list[list[int]]:
    """Best fit within a window: a row leaves it when nothing fits any more and a new one is needed."""
    done: list[list[int]] = []
    window: list[list[int]] = []
    spaces: list[int] = []
    for index in order:
        size = sizes[index]
        fitting = [(space, place) for place, space in enumerate(spaces) if space >= size]
        if fitting:
            _, place = min(fitting)
            window[place].append(index)
            spaces[place] -= size
            if spaces[place] == 0:
                done.append(window.pop(place))
                spaces.pop(place)
            continue
        if len(window) == OPEN_ROWS:
            fullest = spaces.index(min(spaces))
            done.append(window.pop(fullest))
            spaces.pop(fullest)
        window.append([index])
        spaces.append(row_length - size)
    return done + window


@dataclass(frozen=True)
class Batch:
    """Rows ready to train on.

    `targets` is the next token of the same example; its class is `LossClass.NONE` where there is none or it is not
    learned. `documents` numbers the examples of a row from 1, padding 0: tokens see only their own document. `tasks`
    are places in `TokenDataset.tasks`. `more` are the other ids of positions that hold several, else <pad>, and
    `more_targets` those beside the target. Of a frame of the user's sound, `turns` says if the turn had ended
    (`stream.layout.Turn`), and `words` is the first id of the word heard, <pad> where none is.
    """

    ids: Int[Tensor, "B T"]
    more: Int[Tensor, "B T K"]
    targets: Int[Tensor, "B T"]
    more_targets: Int[Tensor, "B T K"]
    classes: Int[Tensor, "B T"]
    slots: Int[Tensor, "B T"]
    turns: Int[Tensor, "B T"]
    words: Int[Tensor, "B T"]
    documents: Int[Tensor, "B T"]
    tasks: Int[Tensor, "B T"]

    def to(self, device: torch.device) -> Batch:
        """The same rows on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def num_tokens(self) -> int:
        """Tokens that are not padding."""
        return int((self.documents > 0).sum())


class PackedLoader:
    """Batches by step number: step s of rank r is the same however one came there.

    A step has `batch_rows` rows whatever the number of ranks, and each rank takes its share, one row more or less where
    they do not divide; so a run may go on with another number of processes.
    """

    def __init__(
        self,
        dataset: TokenDataset,
        *,
        row_length: int,
        batch_rows: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_rows < 1 or not 0 <= rank < world_size:
            raise ValueError(f"need batch_rows >= 1 and 0 <= rank < world_size, got {batch_rows}, {rank}, {world_size}")
        if batch_rows < world_size:
            raise ValueError(
                f"a step has {batch_rows} rows for {world_size} processes; give it more rows, or start fewer processes"
            )
        self.dataset, self.row_length, self.batch_rows, self.seed = dataset, row_length, batch_rows, seed
        self.rank, self.world_size = rank, world_size
        self._first_rows = [0]
        """The number, counted over all epochs, of each epoch's first row."""
        self._packed: dict[int, PackedRows] = {}

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step; an epoch's end and the next one's start may share a step."""
        start, stop = (self.batch_rows * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return self.rows([self.row(step * self.batch_rows + place) for place in range(start, stop)])

    def row(self, number: int) -> NDArray[np.int64]:
        """The examples of a row, counted over all epochs."""
        if number < 0:
            raise ValueError(f"rows count from 0, got {number}")
        while number >= self._first_rows[-1]:
            epoch = len(self._first_rows) - 1
            self._first_rows.append(self._first_rows[-1] + len(self._epoch(epoch)))
        epoch = int(np.searchsorted(self._first_rows, number, side="right")) - 1
        return self._epoch(epoch)[number - self._first_rows[epoch]]

    def rows_in_epoch(self, epoch: int) -> int:
        return len(self._epoch(epoch))

    def rows(self, rows: Sequence[NDArray[np.int64]]) -> Batch:
        """A batch of rows of these examples."""
        shape = (len(rows), self.row_length)
        ids, targets, words = (np.full(shape, PAD, np.int64) for _ in range(3))
        more, more_targets = (np.full((*shape, self.dataset.num_more), PAD, np.int64) for _ in range(2))
        classes, slots, turns, documents, tasks = (np.zeros(shape, np.int64) for _ in range(5))
        for number, examples in enumerate(rows):
            place = 0
            for document, index in enumerate(examples, start=1):
                example = self.dataset[int(index)]
                here = slice(place, place + len(example.ids))
                before = slice(place, place + len(example.ids) - 1)
                ids[number, here], more[number, here] = example.ids, example.more
                slots[number, here], turns[number, here] = example.slots, example.turns
                words[number, here] = example.words
                targets[number, before], more_targets[number, before] = example.ids[1:], example.more[1:]
                classes[number, before] = example.classes[1:]
                documents[number, here] = document
                tasks[number, here] = self.dataset.task_of[int(index)]
                place += len(example.ids)
        arrays = (ids, more, targets, more_targets, classes, slots, turns, words, documents, tasks)
        return Batch(*(torch.from_numpy(array) for array in arrays))

    def _epoch(self, epoch: int) -> PackedRows:
        if epoch not in self._packed:
            packed = pack(self.dataset.lengths, row_length=self.row_length, seed=self.seed, epoch=epoch)
            # Two are kept: a step may take from an epoch's end and the next one's start.
            self._packed = {key: value for key, value in self._packed.items() if key == epoch - 1} | {epoch: packed}
        return self._packed[epoch]


def filled(packed: PackedRows, lengths: NDArray[np.int64], *, row_length: int) -> float:
    """The share of the rows' tokens that is not padding."""
    return float(np.asarray(lengths)[packed.examples].sum() / (len(packed) * row_length))
