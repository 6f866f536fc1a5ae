"""The encoder-decoder Transformer (Vaswani et al. 2017) with the details of Tensor2Tensor's `Transformer`.

What those details are, since results depend on them and the paper tells few:

- Vectors of ids are drawn from N(0, 1/width), times sqrt(width) where they enter, plain as the softmax matrix. Padding
  enters as zeros, and so does the start of the target, which is shifted right by one.
- The encoder adds a vector that tells which kind of target is asked for (`target_space`, 0 where there is one kind), of
  32 that may be. Encoder and decoder add the timing signal (`layers.sinusoid`), then comes dropout.
- Every other matrix is Glorot uniform (`uniform_unit_scaling`, gain 1), each of query, key and value by itself;
  attention has no biases, the feed-forward layer has, from zero. Layer norms have weight and bias, epsilon 1e-6.
- Padding of the source is masked in the encoder and to the decoder. Padding of the target is not: it comes last, so
  the causal mask hides it from all that counts.

Left out: what other models there add (relative positions, mixtures of experts), the 16 parts that the vectors are
stored in, and the removal of padding before feed-forward layers, which changes no result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.layers.cache import KeyValueCache
from omniloom.layers.feedforward import ReluFeedForward
from omniloom.layers.multihead import KeyValue, MultiHeadAttention, nonpadding
from omniloom.layers.sinusoid import timing_signal
from omniloom.models.seq2seq.config import PAD, Seq2SeqConfig, Seq2SeqVocabulary

if TYPE_CHECKING:
    from omniloom.models.seq2seq.decoding import DecodingState

NUM_TARGET_SPACES = 32
NORM_EPSILON = 1e-6


class Memory(NamedTuple):
    """What the encoder made of the sources, and where it is no padding."""

    states: Float[Tensor, "B S D"]
    visible: Bool[Tensor, "B 1 1 S"]


class Steps(nn.Module):
    """A pre- or post-process sequence: its letters in their order."""

    def __init__(self, steps: str, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.steps = "" if steps == "none" else steps
        self.dropout = nn.Dropout(config.dropout)
        num_norms = self.steps.count("n")
        self.norms = nn.ModuleList(nn.LayerNorm(config.width, eps=NORM_EPSILON) for _ in range(num_norms))

    def forward(self, x: Float[Tensor, "B T D"], residual: Float[Tensor, "B T D"] | None = None) -> Tensor:
        norms = iter(self.norms)
        for step in self.steps:
            if step == "n":
                x = next(norms)(x)
            elif step == "d":
                x = self.dropout(x)
            else:
                assert residual is not None, "a preprocess sequence has nothing to add"
                x = residual + x
        return x


class EncoderBlock(nn.Module):
    """Attention to all of the source, then feed-forward."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.num_heads, dropout=config.attention_dropout)
        self.feedforward = ReluFeedForward(config.width, config.hidden_width, dropout=config.relu_dropout)
        self.before = nn.ModuleList(Steps(config.preprocess, config) for _ in range(2))
        self.after = nn.ModuleList(Steps(config.postprocess, config) for _ in range(2))

    def forward(self, x: Float[Tensor, "B S D"], visible: Bool[Tensor, "B 1 1 S"]) -> Float[Tensor, "B S D"]:
        y = self.before[0](x)
        x = self.after[0](self.attention(y, self.attention.heads_of(y), visible=visible), x)
        return self.after[1](self.feedforward(self.before[1](x)), x)


class DecoderBlock(nn.Module):
    """Attention to the target so far, attention to the encoder's states, then feed-forward."""

    def __init__(self, config: Seq2SeqConfig, *, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.attention = MultiHeadAttention(config.width, config.num_heads, dropout=config.attention_dropout)
        self.memory_attention = MultiHeadAttention(config.width, config.num_heads, dropout=config.attention_dropout)
        self.feedforward = ReluFeedForward(config.width, config.hidden_width, dropout=config.relu_dropout)
        self.before = nn.ModuleList(Steps(config.preprocess, config) for _ in range(3))
        self.after = nn.ModuleList(Steps(config.postprocess, config) for _ in range(3))

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Tensor | KeyValue,
        visible: Bool[Tensor, "A 1 1 S"],
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """`memory` is the encoder's states, or what this block made of them.

        With a cache `x` is the newest token of each row; rows of one source stand together and share its memory.
        """
        y = self.before[0](x)
        own = self.attention.heads_of(y)
        if cache is None:
            x = self.after[0](self.attention(y, own, is_causal=True), x)
        else:
            seen = KeyValue(*cache.extend(self.layer, own.key, own.value))
            x = self.after[0](self.attention(y, seen), x)
        y = self.before[1](x)
        if isinstance(memory, Tensor):
            memory = self.memory_attention.heads_of(memory)
        # Rows of one source become queries of one row, so that nothing of the memory is copied for them.
        asked = y if y.shape[0] == visible.shape[0] else y.reshape(visible.shape[0], -1, y.shape[-1])
        x = self.after[1](self.memory_attention(asked, memory, visible=visible).view_as(y), x)
        return self.after[2](self.feedforward(self.before[2](x)), x)


class Seq2SeqTransformer(nn.Module):
    """From source ids to scores of the target's next id."""

    def __init__(self, config: Seq2SeqConfig, vocabulary: Seq2SeqVocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        self.rows = nn.Parameter(torch.empty(vocabulary.size, config.width))
        own_rows = torch.empty(vocabulary.source_size, config.width) if vocabulary.source_size else None
        self.source_rows = None if own_rows is None else nn.Parameter(own_rows)
        self.target_spaces = nn.Parameter(torch.empty(NUM_TARGET_SPACES, config.width))
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.num_encoder_layers))
        self.encoder_end = Steps(config.preprocess, config)
        self.decoder = nn.ModuleList(DecoderBlock(config, layer=n) for n in range(config.num_decoder_layers))
        self.decoder_end = Steps(config.preprocess, config)
        for rows in (self.rows, self.source_rows):
            if rows is not None:
                nn.init.normal_(rows, std=config.width**-0.5)
        nn.init.xavier_uniform_(self.target_spaces)

    @property
    def blocks(self) -> list[nn.Module]:
        """Encoder, then decoder: the parts that several processes may hold in shards."""
        return [*self.encoder, *self.decoder]

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], *, target_space: int = 0
    ) -> Float[Tensor, "B T D"]:
        """Decoder states from which `logits` predicts the target: at each position that very id, from those before."""
        memory = self.encode(source, target_space=target_space)
        x = self.embed_target(F.pad(target, (1, -1), value=PAD), first=0)
        for block in self.decoder:
            # The states, not heads made of them here: a block in shards has its weights only while it runs.
            x = block(x, memory.states, memory.visible)
        return self.decoder_end(x)

    def encode(self, source: Int[Tensor, "B S"], *, target_space: int = 0) -> Memory:
        """The sources' states; a source ends with its end id, and is filled up with padding after it."""
        if not 0 <= target_space < NUM_TARGET_SPACES:
            raise ValueError(f"target_space must be between 0 and {NUM_TARGET_SPACES - 1}, got {target_space}")
        visible = nonpadding(source, pad=PAD)
        x = self._embed(source, self.rows if self.source_rows is None else self.source_rows)
        x = x + self.target_spaces[target_space]
        x = self.dropout(x + self._timing(source.shape[1], first=0))
        for block in self.encoder:
            x = block(x, visible)
        return Memory(self.encoder_end(x), visible)

    def decoding(self, source: Int[Tensor, "B S"], *, target_space: int = 0) -> DecodingState:
        """An empty target for each source, to be grown one id at a time."""
        from omniloom.models.seq2seq.decoding import DecodingState  # it is made of this class

        return DecodingState(self, self.encode(source, target_space=target_space))

    def memory_heads(self, memory: Memory) -> list[KeyValue]:
        """What each decoder block attends to of the sources, which no step of decoding changes."""
        blocks = cast("Iterable[DecoderBlock]", self.decoder)
        return [block.memory_attention.heads_of(memory.states) for block in blocks]

    def embed_target(self, ids: Int[Tensor, "B T"], *, first: int) -> Float[Tensor, "B T D"]:
        """What enters the decoder for ids that stand at positions from `first` on."""
        return self.dropout(self._embed(ids, self.rows) + self._timing(ids.shape[1], first=first))

    def logits(self, states: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows V"]:
        """Scores of every id."""
        return F.linear(states, self.rows)

    def _embed(self, ids: Int[Tensor, "B T"], rows: Float[Tensor, "V D"]) -> Float[Tensor, "B T D"]:
        return F.embedding(ids, rows) * (self.config.width**0.5 * (ids != PAD))[..., None]

    def _timing(self, num_positions: int, *, first: int) -> Float[Tensor, "T D"]:
        positions = torch.arange(first, first + num_positions, device=self.rows.device)
        return timing_signal(positions, self.config.width).to(self.rows.dtype)
