"""One step of the model: what waits in some rows goes through it in one call, natively or by torch on any device.

Both give the scores after each row's last positions, and know how many positions are worth their while at once. The
native step reads rows where they lie. Torch wants them in one tensor: its rows own blocks of a shared memory, and are
gathered from there, filled up to the longest. Rows of which one position goes in do not wait for prompts to be filled
up to: they are one call of the model, and slices of prompts another.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.generation.cache import BLOCK, Cache, CacheBudget, RowCache, blocks_for, position_bytes
from omniloom.kernels import Ahead, DecodeStep, IdRange, Part, Stretch
from omniloom.models import OmniModel
from omniloom.models.omni import OmniConfig
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Position
from omniloom.stream.vocabulary import Vocabulary


class Share(NamedTuple):
    """A row's part of a step: its next positions, after the last `num_scored` of which scores are wanted."""

    cache: Cache
    positions: Sequence[Position]
    num_scored: int


class Step(Protocol):
    """Takes shares of different rows through the model; one thread at a time."""

    max_positions: int

    def __call__(self, shares: Sequence[Share], ranges: Sequence[IdRange]) -> Float[Tensor, "logits scores"]:
        """The scores in these ranges after each scored position, in order; on the CPU, until the next step."""
        ...


PART_POSITIONS = 2
"""Positions for which a thread of their own is worth its while."""


class NativeStep:
    """The native decode step over rows' own memory."""

    max_positions = 128
    """Enough for full speed, and little working memory."""

    def __init__(self, decode_step: DecodeStep, *, num_threads: int = 1) -> None:
        self._decode_step = decode_step
        self._num_threads = num_threads
        self._scratch, self._running = decode_step.scratch(), decode_step.scratch()

    def __call__(self, shares: Sequence[Share], ranges: Sequence[IdRange]) -> Float[Tensor, "logits scores"]:
        return self._decode_step(self._scratch, **self._described(shares), ranges=ranges)

    def generate(self, shares: Sequence[Share], asked: Sequence[Ahead], leave: ctypes.c_int32) -> list[Stretch]:
        """A stretch of each of these rows, all of which have their last position scored (`DecodeStep.generate`)."""
        return self._decode_step.generate(self._running, asked, **self._described(shares), leave=leave)

    def _described(self, shares: Sequence[Share]) -> dict[str, Any]:
        """What is in a step, as the decode step takes it."""
        entries: list[tuple[Position, int, Cache]] = []
        parts = []
        for own in in_parts(shares, self._num_threads):
            first = len(entries)
            for is_scored in (False, True):  # What is scored comes last.
                for cache, positions, num_scored in own:
                    bound = len(positions) - num_scored
                    for place in range(bound, len(positions)) if is_scored else range(bound):
                        entries.append((positions[place], cache.length + place, cache))
            parts.append(Part(len(entries) - first, sum(share.num_scored for share in own)))
        return {
            "tokens": [position.ids[0] for position, _, _ in entries],
            "slots": [position.slot for position, _, _ in entries],
            "positions": [place for _, place, _ in entries],
            "caches": [cache.row for _, _, cache in entries if isinstance(cache, RowCache)],
            "more": [position.ids[1:] for position, _, _ in entries],
            "parts": parts,
        }


def in_parts(shares: Sequence[Share], num_parts: int) -> list[Sequence[Share]]:
    """The shares in up to so many parts, in order, of about as many positions each, where that is worth a thread."""
    if len(shares) == 1 or num_parts == 1:
        return [shares]
    num_positions = sum(len(share.positions) for share in shares)
    num_parts = min(num_parts, len(shares), num_positions // PART_POSITIONS)
    found: list[Sequence[Share]] = []
    first = taken = 0
    for place, share in enumerate(shares if num_parts > 1 else ()):
        num_after = num_positions * (len(found) + 1) / num_parts
        # Cut where the part is nearest to its share of all, and leave one for each part that is to come.
        is_nearer = taken + len(share.positions) / 2 > num_after
        if place > first and len(found) + 1 < num_parts and is_nearer:
            found.append(shares[first:place])
            first = place
        taken += len(share.positions)
    return [*found, shares[first:]]


class PagedMemory:
    """Blocks of keys and values on a device, which rows own; it grows as they ask for more than there ever were."""

    def __init__(self, config: OmniConfig, budget: CacheBudget, device: torch.device) -> None:
        self._block_bytes = BLOCK * position_bytes(config)
        self._budget = budget
        self._lock = threading.Lock()
        self._free: list[int] = []
        self._num_blocks = 1  # Block 0 is nobody's: what fills rows up is written there.
        attention = config.attention
        self._shape = (config.depth, 2, 1, attention.num_kv_heads, BLOCK, attention.head_width)
        # Zeros, as what a mask hides is still multiplied, by 0, and chance bits may be infinite.
        self.blocks: Float[Tensor, "layers 2 blocks G block E"] = torch.zeros(self._shape, device=device)

    def take(self) -> int:
        self._budget.take(self._block_bytes)
        with self._lock:
            if self._free:
                return self._free.pop()
            self._num_blocks += 1
            return self._num_blocks - 1

    def give(self, blocks: Sequence[int]) -> None:
        """A list's own `+=`, not the lock: a finalizer may run where this thread holds it."""
        self._free += blocks
        self._budget.give(len(blocks) * self._block_bytes)

    def grow(self) -> None:
        """Have memory for all blocks that rows own; only between steps."""
        num_held, num_wanted = self.blocks.shape[2], self._num_blocks
        if num_wanted > num_held:
            layers, both, _, *rest = self._shape
            added = self.blocks.new_zeros((layers, both, max(num_wanted - num_held, num_held // 2), *rest))
            self.blocks = torch.cat([self.blocks, added], dim=2)


class PagedRow:
    """One row's blocks of a `PagedMemory`."""

    def __init__(self, memory: PagedMemory) -> None:
        self.length = 0
        self.blocks: list[int] = []
        self._memory = memory

    @property
    def capacity(self) -> int:
        return len(self.blocks) * BLOCK

    def reserve(self, num_positions: int) -> None:
        while self.capacity < num_positions:
            self.blocks.append(self._memory.take())

    def release(self, num_positions: int) -> None:
        kept = blocks_for(num_positions)
        if kept < len(self.blocks):
            self._memory.give(self.blocks[kept:])
            del self.blocks[kept:]

    def copy(self, source: PagedRow, first: int) -> None:
        self.reserve(source.length)
        self._memory.grow()
        places = torch.arange(first, source.length, device=self._memory.blocks.device)
        blocks, offsets = places // BLOCK, places % BLOCK
        own, others = (
            torch.tensor(row.blocks, device=places.device, dtype=torch.long)[blocks] for row in (self, source)
        )
        self._memory.blocks[:, :, own, :, offsets] = self._memory.blocks[:, :, others, :, offsets]
        self.length = source.length

    def __del__(self) -> None:
        if self.blocks:
            self._memory.give(self.blocks)


class TorchStep:
    """The torch model over paged rows."""

    def __init__(
        self, model: OmniModel, memory: PagedMemory, *, table: Tensor, output: Tensor, is_mixed: bool = False
    ) -> None:
        self._model = model
        self._memory = memory
        self._table = table
        self._output = output
        self._is_mixed = is_mixed
        # A device of its own is filled only by many positions; beside the torch model, a CPU's calls are as before.
        self.max_positions = NativeStep.max_positions if table.device.type == "cpu" else 2048

    def __call__(self, shares: Sequence[Share], ranges: Sequence[IdRange]) -> Float[Tensor, "logits scores"]:
        self._memory.grow()
        states: list[Tensor] = [self._table[:0]] * len(shares)
        for is_single in (True, False):
            numbers = [number for number, share in enumerate(shares) if (len(share.positions) == 1) == is_single]
            if not numbers:
                continue
            with torch.autocast(self._table.device.type, torch.bfloat16, enabled=self._is_mixed):
                found = self._states([shares[number] for number in numbers])
            for own, number in zip(found, numbers, strict=True):
                count, num_scored = len(shares[number].positions), shares[number].num_scored
                states[number] = own[count - num_scored : count].float()
        joined = torch.cat(states)
        logits = torch.full((len(joined), len(self._output)), -torch.inf)
        for first, stop in ranges:
            logits[:, first:stop] = (joined @ self._output[first:stop].T).cpu()
        return logits

    def _states(self, shares: Sequence[Share]) -> Float[Tensor, "B T D"]:
        """The states after these rows' positions, filled up to the longest."""
        device, num_tokens = self._table.device, max(len(share.positions) for share in shares)
        rows = [[*share.positions, *[EMPTY] * (num_tokens - len(share.positions))] for share in shares]
        more = more_of(rows, self._model.vocabulary)
        counts = torch.tensor([len(share.positions) for share in shares])[:, None]
        places = torch.arange(num_tokens)[None]
        is_real = places < counts
        positions = torch.where(is_real, places + torch.tensor([share.cache.length for share in shares])[:, None], 0)
        num_blocks = blocks_for(int(positions.max()) + 1)
        owned = [share.cache.blocks for share in shares if isinstance(share.cache, PagedRow)]
        tables = torch.tensor([[*blocks[:num_blocks], *[0] * (num_blocks - len(blocks))] for blocks in owned])
        own_blocks = torch.where(is_real, tables.gather(1, positions // BLOCK), 0)
        cache = _StepCache(self._memory, *(item.to(device) for item in (tables, own_blocks, positions % BLOCK)))
        return self._model(
            torch.tensor([[position.ids[0] for position in row] for row in rows], device=device),
            torch.tensor([[position.slot for position in row] for row in rows], device=device),
            more=None if more is None else more.to(device),
            positions=positions.to(device),
            visible=_visible(positions, num_blocks * BLOCK).to(device),
            cache=cache,
            table=self._table,
        ).last


class _StepCache:
    """What the model's attention asks for in one call: new keys go to their blocks, all of each row's come back."""

    def __init__(
        self,
        memory: PagedMemory,
        tables: Int[Tensor, "B blocks"],
        own_blocks: Int[Tensor, "B T"],
        offsets: Int[Tensor, "B T"],
    ) -> None:
        self._memory = memory
        self._tables = tables
        self._own_blocks = own_blocks
        self._offsets = offsets

    def extend(
        self, layer: int, key: Float[Tensor, "B G T E"], value: Float[Tensor, "B G T E"]
    ) -> tuple[Float[Tensor, "B G S E"], Float[Tensor, "B G S E"]]:
        keys, values = self._memory.blocks[layer]
        return self._written(keys, key), self._written(values, value)

    def _written(self, blocks: Float[Tensor, "blocks G block E"], new: Tensor) -> Float[Tensor, "B G S E"]:
        blocks[self._own_blocks, :, self._offsets] = new.transpose(1, 2).to(blocks.dtype)
        return blocks[self._tables].transpose(1, 2).flatten(2, 3)


EMPTY = Position((v.PAD,), 0)


def _visible(positions: Int[Tensor, "B T"], num_seen: int) -> Bool[Tensor, "B 1 T S"]:
    """A token sees its row up to itself."""
    return (torch.arange(num_seen) <= positions[..., None])[:, None]


def more_of(rows: Sequence[Sequence[Position]], vocabulary: Vocabulary) -> Int[Tensor, "B T K"] | None:
    """The ids beside the first of each position, groups filled up; None where no position holds several."""
    if all(len(position.ids) == 1 for row in rows for position in row):
        return None
    width = vocabulary.max_group - 1
    return torch.tensor(
        [[[*position.ids[1:], *[v.PAD] * (width + 1 - len(position.ids))] for position in row] for row in rows]
    )
