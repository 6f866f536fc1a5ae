"""The model made ready for use, and one row being decoded with it.

Tokens go through the native decode step, one or a whole prompt of them: each token's result is the same to the last bit
however many go at once. `benchmarks/generation/bench_decode.py` times it beside eager torch. Where it is not built,
prompts go through the torch model and single tokens through the step's reference; they write the same cache.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from omniloom.generation.cache import RowCache
from omniloom.kernels import REFERENCE, DecoderWeights, DecodeStep, IdRange, LayerWeights
from omniloom.layers.norm import NORM_EPSILON
from omniloom.models import OmniModel
from omniloom.models.omni import Block
from omniloom.stream.grammar import ReplyGrammar, ReplyLimits
from omniloom.stream.layout import slots_of
from omniloom.stream.message import Want
from omniloom.stream.vocabulary import Vocabulary

PIECE_TOKENS = 128
"""Longest piece of a prompt that is fed at once: enough for full speed, little working memory."""


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
        assert len(self.ids) > self.num_fed or not ranges, "logits come after a token that was just fed"
        logits = self._scratch.logits[0]
        while (start := self.num_fed) < len(self.ids):
            stop = min(start + PIECE_TOKENS, len(self.ids))
            asked = ranges if stop == len(self.ids) else ()
            if self.prepared.is_native or stop == start + 1:
                logits = self._step(start, stop, asked)
            else:
                logits = self._through_torch(start, stop, asked)
            self._cache.length = stop
        return logits

    def _step(self, start: int, stop: int, ranges: Sequence[IdRange]) -> Float[Tensor, " V"]:
        logits = self.prepared.decode_step(
            self._scratch,
            tokens=self.ids[start:stop],
            slots=self._slots[start:stop],
            positions=range(start, stop),
            rows=[0] * (stop - start),
            keys=self._cache.keys,
            values=self._cache.values,
            ranges=ranges,
            num_logits=1,
        )
        return logits[0]

    def _through_torch(self, start: int, stop: int, ranges: Sequence[IdRange]) -> Float[Tensor, " V"]:
        hidden = self.prepared.model(
            torch.tensor([self.ids[start:stop]]),
            torch.tensor([self._slots[start:stop]]),
            positions=torch.arange(start, stop)[None],
            visible=_visible_from(start, stop),
            cache=self._cache,
            table=self.prepared.table,
        )
        logits = torch.full((self.prepared.vocabulary.size,), -torch.inf)
        for first, last in ranges:
            logits[first:last] = self.prepared.table[first:last] @ hidden[0, -1]
        return logits


def _visible_from(start: int, stop: int) -> Bool[Tensor, "1 1 T S"] | None:
    """Tokens from `start` to `stop` see all up to themselves; None where that is plain causal."""
    if start == 0:
        return None
    return (torch.arange(stop) <= torch.arange(start, stop)[:, None])[None, None]
