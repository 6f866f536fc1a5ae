"""The model made ready for use, and one row being decoded with it.

Prompts go through torch, many tokens at once; single tokens go through the native decode step, which is several times
faster than eager torch. Both write the same cache, so a row may change between them at any token.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from omniloom.generation.cache import RowCache
from omniloom.generation.sampling import IdRange
from omniloom.kernels import DecoderWeights, DecodeStep, LayerWeights
from omniloom.layers.norm import NORM_EPSILON
from omniloom.models import OmniModel
from omniloom.models.omni import Block
from omniloom.stream.grammar import ReplyGrammar, ReplyLimits
from omniloom.stream.layout import slots_of
from omniloom.stream.message import Want
from omniloom.stream.vocabulary import Vocabulary

FEW_TOKENS = 8
"""Up to so many waiting tokens are fed one by one: torch needs longer for its first token than the native step for
eight (benchmarks/generation/bench_decode.py, row "prefill")."""

PREFILL_TOKENS = 512
"""Longest piece of a prompt that goes through torch at once; bounds the memory of the attention mask."""


def decoder_weights(model: OmniModel, table: Float[Tensor, "V D"]) -> DecoderWeights:
    """The model's weights as the decode step takes them."""
    config = model.config
    layers = [_layer_weights(cast(Block, block)) for block in model.blocks]
    return DecoderWeights(
        table=table,
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
        self.decode_step = DecodeStep(decoder_weights(model, self.table), context=self.config.context)
        self._limits = limits
        self._grammars: dict[frozenset[Want], ReplyGrammar] = {}
        self._lock = threading.Lock()

    def grammar(self, wants: frozenset[Want]) -> ReplyGrammar:
        with self._lock:
            if wants not in self._grammars:
                self._grammars[wants] = ReplyGrammar(self.vocabulary, wants, limits=self._limits)
            return self._grammars[wants]


class RowDecoder:
    """A row of tokens: those given, and behind them those not yet fed to the model."""

    def __init__(self, prepared: PreparedModel) -> None:
        self.prepared = prepared
        self.ids: list[int] = []
        self._slots: list[int] = []
        self._cache = RowCache(prepared.config)
        self._scratch = prepared.decode_step.scratch()

    @property
    def num_fed(self) -> int:
        return self._cache.length

    def append(self, ids: Sequence[int]) -> None:
        """Add tokens; they are fed by the next `feed`.

        Raises:
            ValueError: If they do not fit the context; nothing is added then.
        """
        context = self.prepared.config.context
        if len(self.ids) + len(ids) > context:
            raise ValueError(
                f"{len(self.ids)} tokens and {len(ids)} more do not fit the model's context of {context}; give shorter "
                "parts or start a new conversation"
            )
        previous = self._slots[-1] if self._slots else 0
        self._slots += slots_of(ids, self.prepared.vocabulary, previous=previous)
        self.ids += ids

    def truncate(self, length: int) -> None:
        """Forget all tokens from `length` on, fed or not."""
        del self.ids[length:], self._slots[length:]
        self._cache.length = min(self._cache.length, length)

    @torch.inference_mode()
    def feed(self, ranges: Sequence[IdRange] = ()) -> Float[Tensor, " V"]:
        """Feed what waits; the logits of the ids in `ranges` after it, minus infinity elsewhere.

        The result is written over by the next call. At least one token must wait where logits are asked for.
        """
        waiting = len(self.ids) - self.num_fed
        assert waiting or not ranges, "logits come after a token that was just fed"
        if waiting > FEW_TOKENS:
            hidden = None
            for piece in range(self.num_fed, len(self.ids), PREFILL_TOKENS):
                hidden = self._prefill(min(piece + PREFILL_TOKENS, len(self.ids)))
            return self._logits(hidden, ranges)
        for place in range(self.num_fed, len(self.ids)):
            self._step(place, ranges if place == len(self.ids) - 1 else ())
        return self._scratch.logits

    def _step(self, place: int, ranges: Sequence[IdRange]) -> None:
        self.prepared.decode_step(
            self._scratch,
            token=self.ids[place],
            slot=self._slots[place],
            position=place,
            keys=self._cache.keys[:, 0],
            values=self._cache.values[:, 0],
            ranges=ranges,
        )
        self._cache.length = place + 1

    def _prefill(self, stop: int) -> Float[Tensor, " D"]:
        start = self._cache.length
        positions = torch.arange(start, stop)[None]
        hidden = self.prepared.model(
            torch.tensor([self.ids[start:stop]]),
            torch.tensor([self._slots[start:stop]]),
            positions=positions,
            visible=_visible_from(start, stop),
            cache=self._cache,
            table=self.prepared.table,
        )
        self._cache.length = stop
        return hidden[0, -1]

    def _logits(self, hidden: Float[Tensor, " D"] | None, ranges: Sequence[IdRange]) -> Float[Tensor, " V"]:
        logits = torch.full((self.prepared.vocabulary.size,), -torch.inf)
        for first, stop in ranges:
            assert hidden is not None
            logits[first:stop] = self.prepared.table[first:stop] @ hidden
        return logits


def _visible_from(start: int, stop: int) -> Bool[Tensor, "1 1 T S"] | None:
    """Tokens from `start` to `stop` see all up to themselves; None where that is plain causal."""
    if start == 0:
        return None
    return (torch.arange(stop) <= torch.arange(start, stop)[:, None])[None, None]
