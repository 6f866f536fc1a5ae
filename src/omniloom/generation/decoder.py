"""The model made ready for use, and one row being decoded with it.

A row holds the flat stream; what goes through the model are its positions (`stream.folding`), of which one may hold
several ids. After each the model gives all scores of the next one: of every id as its first, then of those beside it
(`ReplyGrammar.scores`). Positions go through the native decode step, one or a whole prompt of them: the step gives each
the same to the last bit however many go at once. `benchmarks/generation/bench_decode.py` times it beside eager torch.
Where it is not built, prompts go through the torch model and single positions through the step's reference; they write
the same cache.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.generation.cache import RowCache
from omniloom.generation.reply import TokenCounts
from omniloom.kernels import REFERENCE, CacheRow, DecoderWeights, DecodeStep, IdRange, LayerWeights
from omniloom.layers.norm import NORM_EPSILON
from omniloom.models import OmniModel
from omniloom.models.omni import Block
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Folder, Position
from omniloom.stream.grammar import ReplyGrammar, ReplyLimits
from omniloom.stream.message import Want
from omniloom.stream.vocabulary import Vocabulary

PIECE_TOKENS = 128
"""Most positions of a prompt that are fed at once: enough for full speed, little working memory."""


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
    """A model that no longer changes, with all that its rows share; safe to use from several threads."""

    def __init__(self, model: OmniModel, *, limits: ReplyLimits | None = None) -> None:
        self.model = model.eval().requires_grad_(False)
        self.config = model.config
        self.vocabulary: Vocabulary = model.vocabulary
        self.table = model.embedding.table()
        weights = decoder_weights(model, self.table)
        self.output = weights.output
        self.decode_step = DecodeStep(weights, context=self.config.context)
        self.is_native = self.decode_step.instruction_set != REFERENCE
        self._limits = limits
        self._grammars: dict[frozenset[Want], ReplyGrammar] = {}
        self._lock = threading.Lock()

    def grammar(self, wants: frozenset[Want]) -> ReplyGrammar:
        with self._lock:
            if wants not in self._grammars:
                self._grammars[wants] = ReplyGrammar(self.vocabulary, wants, limits=self._limits)
            return self._grammars[wants]


class RowDecoder:
    """A row of ids, and the positions they fold to: those fed to the model, and behind them those that wait.

    `Engine` feeds them.
    """

    def __init__(self, prepared: PreparedModel) -> None:
        self.prepared = prepared
        self.ids: list[int] = []
        self._positions: list[Position] = []
        self._folder = Folder(prepared.vocabulary)
        self._cache = RowCache(prepared.config)

    @property
    def num_positions(self) -> int:
        """How much of the context is taken."""
        return len(self._positions)

    def counts(self, num_positions: int) -> TokenCounts:
        """What stands in the first of its positions."""
        return TokenCounts.of(self._positions[:num_positions], self.prepared.vocabulary)

    @property
    def num_fed(self) -> int:
        return self._cache.length

    @property
    def last(self) -> Position:
        """The last position that is whole."""
        return self._positions[-1]

    def append(self, ids: Sequence[int]) -> None:
        """Add ids, which wait to be fed.

        Raises:
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
        self._folder = folder
        self._positions += found
        self.ids += ids

    def truncate(self, length: int) -> None:
        """Forget all ids from `length` on, fed or not."""
        if length >= len(self.ids):
            return
        del self.ids[length:]
        # A part of a stream folds to a part of its positions, so what is cached of them stays true.
        self._folder = Folder(self.prepared.vocabulary)
        self._positions = self._folder.push(self.ids)
        self._cache.length = min(self._cache.length, len(self._positions))

    @property
    def waiting(self) -> list[Position]:
        """Positions that are still to be fed."""
        return self._positions[self.num_fed :]

    @property
    def cache(self) -> CacheRow:
        return self._cache.row

    def note_fed(self, count: int) -> None:
        """So many more positions are in the cache now."""
        self._cache.length += count

    def feed_by_torch(
        self, count: int, ranges: Sequence[IdRange], *, num_logits: int
    ) -> Float[Tensor, "logits scores"]:
        """Feed `count` positions through the torch model, and note it; the scores in `ranges` after the last ones."""
        start, positions = self.num_fed, self.waiting[:count]
        logits = self._through_torch(start, positions, ranges, num_logits)
        self.note_fed(count)
        return logits

    def _through_torch(
        self, start: int, positions: Sequence[Position], ranges: Sequence[IdRange], num_logits: int
    ) -> Float[Tensor, "logits scores"]:
        stop = start + len(positions)
        states = self.prepared.model(
            torch.tensor([[position.ids[0] for position in positions]]),
            torch.tensor([[position.slot for position in positions]]),
            more=more_of([positions], self.prepared.vocabulary),
            positions=torch.arange(start, stop)[None],
            visible=_visible_from(start, stop),
            cache=self._cache,
            table=self.prepared.table,
        )
        logits = torch.full((num_logits, self.prepared.vocabulary.num_scores), -torch.inf)
        for first, last in ranges:
            logits[:, first:last] = states.last[0, len(positions) - num_logits :] @ self.prepared.output[first:last].T
        return logits


def more_of(rows: Sequence[Sequence[Position]], vocabulary: Vocabulary) -> Int[Tensor, "B T K"] | None:
    """The ids beside the first of each position, rows and groups filled up; None where no position holds several."""
    if all(len(position.ids) == 1 for row in rows for position in row):
        return None
    more = torch.full((len(rows), max(map(len, rows)), vocabulary.max_group - 1), v.PAD)
    for number, row in enumerate(rows):
        for place, position in enumerate(row):
            more[number, place, : len(position.ids) - 1] = torch.tensor(position.ids[1:])
    return more


def _visible_from(start: int, stop: int) -> Bool[Tensor, "1 1 T S"] | None:
    """Tokens from `start` to `stop` see all up to themselves; None where that is plain causal."""
    if start == 0:
        return None
    return (torch.arange(stop) <= torch.arange(start, stop)[:, None])[None, None]
