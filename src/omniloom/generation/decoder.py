"""The model made ready for use, and one row being decoded with it.

A row holds the flat stream; what goes through the model are its positions (`stream.folding`), of which one may hold
several ids. After each the model gives all scores of the next one: of every id as its first, then of those beside it
(`ReplyGrammar.scores`). Positions go through the native decode step, one or a whole prompt of them: the step gives each
the same to the last bit however many go at once. `benchmarks/generation/bench_decode.py` times it beside eager torch.
Where it is not built, or the model lies on another device, they go through the torch model (`steps`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.core.processes import num_cores
from omniloom.generation.cache import DEFAULT_CACHE_BYTES, Cache, CacheBudget, RowCache
from omniloom.generation.reply import TokenCounts
from omniloom.generation.steps import NativeStep, PagedMemory, PagedRow, Step, TorchStep
from omniloom.kernels import (
    REFERENCE,
    DecoderWeights,
    DecodeStep,
    LayerWeights,
    chosen_instruction_set,
    has_rounding_step,
)
from omniloom.layers.norm import NORM_EPSILON
from omniloom.models import OmniModel
from omniloom.models.omni import Block
from omniloom.stream.folding import Folder, Position
from omniloom.stream.grammar import ReplyGrammar, ReplyLimits
from omniloom.stream.message import Want
from omniloom.stream.vocabulary import Vocabulary

Precision = Literal["float32", "bfloat16", "auto"]
"""Of what matrices are multiplied with; "auto" is bfloat16 where that is faster, else float32."""


def decoder_weights(model: OmniModel, table: Float[Tensor, "V D"]) -> DecoderWeights:
    """The model's weights as the decode step takes them; its output holds all scores (`OmniModel.output`)."""
    config = model.config
    layers = [_layer_weights(cast(Block, block)) for block in model.blocks]
    return DecoderWeights(
        table=table,
        output=model.output(table),
        blocks=model.output_blocks(),
        places=model.embedding.places if model.embedding.num_more else None,
        slots=model.embedding.slots,
        layers=tuple(layers),
        num_heads=config.attention.num_heads,
        num_kv_heads=config.attention.num_kv_heads,
        head_width=config.attention.head_width,
        norm_epsilon=NORM_EPSILON,
        rotary_base=config.rotary_base,
    )


def _layer_weights(block: Block) -> LayerWeights:
    return LayerWeights(
        attention_norm=block.attention_norm.weight,
        query_key_value=block.attention.query_key_value.weight,
        attention_out=block.attention.out.weight,
        feedforward_norm=block.feedforward_norm.weight,
        gate_value=block.feedforward.gate_value.weight,
        feedforward_out=block.feedforward.out.weight,
    )


class PreparedModel:
    """A model that no longer changes, with all that its rows share; safe to use from several threads.

    `device` is where it computes; None leaves it where it lies. `cache_bytes` is what its rows may hold together. With
    `precision` bfloat16 what matrices are multiplied with is rounded to it, as mixed-precision training does
    (Micikevicius and others 2018, section 3); sums stay float32. A native step takes at most `num_threads`; None is
    one for each core that this process may use.

    Raises:
        ValueError: If this processor does not multiply bfloat16.
    """

    def __init__(
        self,
        model: OmniModel,
        *,
        limits: ReplyLimits | None = None,
        device: str | torch.device | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        precision: Precision = "float32",
        num_threads: int | None = None,
    ) -> None:
        if precision not in get_args(Precision):
            raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
        self.model = model.eval().requires_grad_(False).to(device)
        self.config = model.config
        self.vocabulary: Vocabulary = model.vocabulary
        self.budget = CacheBudget(cache_bytes)
        self.table = model.embedding.table()
        weights = decoder_weights(model, self.table)
        self.output = weights.output
        is_on_cpu = self.table.device.type == "cpu"
        self.instruction_set = chosen_instruction_set() if is_on_cpu else REFERENCE
        self.is_native = self.instruction_set != REFERENCE
        if num_threads is not None and num_threads < 1:
            raise ValueError(f"num_threads must be at least 1, or None for all cores, got {num_threads}")
        self.num_threads = num_threads or num_cores()
        if precision == "auto":
            precision = "bfloat16" if self._multiplies_bfloat16() else "float32"
        self.precision = precision
        rounds_inputs = precision == "bfloat16"
        if rounds_inputs and self.is_native and not has_rounding_step():
            raise ValueError(
                f"this processor does not multiply bfloat16 ({self.instruction_set} serves, AVX512_BF16 is needed); "
                "leave precision at float32"
            )
        self._decode_step = (
            DecodeStep(weights, context=self.config.context, rounds_inputs=rounds_inputs) if self.is_native else None
        )
        self._memory = None if self.is_native else PagedMemory(self.config, self.budget, self.table.device)
        self._limits = limits
        self._grammars: dict[frozenset[Want], ReplyGrammar] = {}
        self._lock = threading.Lock()
        self.num_scored = 0
        """Positions that went through it beside the engine's, for given replies and searches (`count_scored`)."""

    def count_scored(self, num_positions: int) -> None:
        with self._lock:
            self.num_scored += num_positions

    def _multiplies_bfloat16(self) -> bool:
        """Whether products of bfloat16 are the faster ones where the model lies."""
        if self.table.device.type == "cuda":
            return torch.cuda.get_device_capability(self.table.device) >= (8, 0)
        return self.is_native and has_rounding_step()

    def grammar(self, wants: frozenset[Want]) -> ReplyGrammar:
        with self._lock:
            if wants not in self._grammars:
                self._grammars[wants] = ReplyGrammar(self.vocabulary, wants, limits=self._limits)
            return self._grammars[wants]

    def new_cache(self) -> Cache:
        return RowCache(self.config, self.budget) if self._memory is None else PagedRow(self._memory)

    def new_step(self) -> Step:
        if self._decode_step is not None:
            return NativeStep(self._decode_step, num_threads=self.num_threads)
        assert self._memory is not None
        return TorchStep(
            self.model, self._memory, table=self.table, output=self.output, is_mixed=self.precision == "bfloat16"
        )


MAX_MARKS = 64
"""Places from which a row that is cut is folded anew; cut further back, it is folded from its beginning."""


class _Mark(NamedTuple):
    """How far a row was when something was added to it, and its folder then, which nobody changes any more."""

    num_ids: int
    num_positions: int
    folder: Folder


class RowDecoder:
    """A row of ids, and the positions they fold to: those fed to the model, and behind them those that wait.

    `Engine` feeds them. There is always memory for one position more: a reply that is cut can be ended.
    """

    def __init__(self, prepared: PreparedModel) -> None:
        self.prepared = prepared
        self.cache = prepared.new_cache()
        self.ids: list[int] = []
        self._positions: list[Position] = []
        self._folder = Folder(prepared.vocabulary)
        self._marks: deque[_Mark] = deque(maxlen=MAX_MARKS)

    @property
    def num_positions(self) -> int:
        """How much of the context is taken."""
        return len(self._positions)

    def counts(self, num_positions: int) -> TokenCounts:
        """What stands in the first of its positions."""
        return TokenCounts.of(self._positions[:num_positions], self.prepared.vocabulary)

    @property
    def num_fed(self) -> int:
        return self.cache.length

    @property
    def num_waiting(self) -> int:
        """Positions that are still to be fed."""
        return len(self._positions) - self.cache.length

    @property
    def last(self) -> Position:
        """The last position that is whole."""
        return self._positions[-1]

    def append(self, ids: Sequence[int]) -> None:
        """Add ids, which wait to be fed.

        Raises:
            OutOfCache: If there is no memory for them; nothing is added then.
            ValueError: If they do not fit the context; nothing is added then.
        """
        folder = self._folder.copy()
        found = folder.push(ids)
        context = self.prepared.config.context
        if len(self._positions) + len(found) > context:
            raise ValueError(
                f"{len(self._positions)} tokens and {len(found)} more do not fit the model's context of {context}; "
                "give shorter parts or start a new conversation"
            )
        self.cache.reserve(min(len(self._positions) + len(found) + 1, context))
        self._marks.append(_Mark(len(self.ids), len(self._positions), self._folder))
        self._folder = folder
        self._positions += found
        self.ids += ids

    def append_picked(self, ids: Sequence[int]) -> None:
        """Add one more position of a reply: by its grammar it is whole, and by its limits it fits the context.

        Raises:
            OutOfCache: If there is no memory for it; nothing is added then.
        """
        self.cache.reserve(min(len(self._positions) + len(ids) + 1, self.prepared.config.context))
        self._positions += self._folder.push_position(ids)
        self.ids += ids

    def truncate(self, length: int) -> None:
        """Forget all ids from `length` on, fed or not."""
        if length >= len(self.ids):
            return
        del self.ids[length:]
        while self._marks and self._marks[-1].num_ids > length:
            self._marks.pop()
        mark = self._mark_before(length)
        # A part of a stream folds to a part of its positions, so what is cached of them stays true.
        self._folder = mark.folder.copy()
        self._positions[mark.num_positions :] = self._folder.push(self.ids[mark.num_ids :])
        self.cache.length = min(self.cache.length, len(self._positions))
        self.cache.release(len(self._positions) + 1)

    def become(self, other: RowDecoder) -> None:
        """Hold what another row does; keys and values are copied from where the two begin to differ.

        Raises:
            OutOfCache: If there is no memory for it.
        """
        pairs = zip(self._positions[: self.num_fed], other._positions[: other.num_fed], strict=False)
        num_same = next((place for place, (own, new) in enumerate(pairs) if own != new), None)
        self.cache.copy(other.cache, min(self.num_fed, other.num_fed) if num_same is None else num_same)
        self.cache.reserve(other.num_positions + 1)
        self._fold_as(other)

    def fold_as(self, other: RowDecoder) -> None:
        """Begin an empty row with the ids of another, folded as they are there; all of them wait to be fed."""
        assert not self.ids
        self._fold_as(other)

    def _fold_as(self, other: RowDecoder) -> None:
        self.ids, self._positions = list(other.ids), list(other._positions)
        self._folder = other._folder.copy()
        self._marks.clear()

    def adopt(self, other: RowDecoder) -> None:
        """Take over keys and values of the positions that another row begins with too; the last one still waits.

        Raises:
            OutOfCache: If there is no memory for it.
        """
        pairs = enumerate(zip(self._positions[:-1], other._positions[: other.num_fed], strict=False))
        most = min(max(self.num_positions - 1, 0), other.num_fed)
        num_same = next((place for place, (own, new) in pairs if own != new), most)
        if num_same > self.num_fed:
            self.cache.copy(other.cache, self.num_fed)
            self.cache.length = num_same

    def num_positions_with(self, ids: Sequence[int], *, after: int) -> int:
        """How many positions there would be if the row were cut to its first `after` ids and went on with these."""
        mark = self._mark_before(after)
        return mark.num_positions + len(mark.folder.copy().push([*self.ids[mark.num_ids : after], *ids]))

    def _mark_before(self, length: int) -> _Mark:
        """The last one from which the first `length` ids can be folded."""
        found = (mark for mark in reversed(self._marks) if mark.num_ids <= length)
        return next(found, _Mark(0, 0, Folder(self.prepared.vocabulary)))

    def waiting(self, count: int) -> list[Position]:
        """The next `count` positions to be fed."""
        return self._positions[self.num_fed : self.num_fed + count]
