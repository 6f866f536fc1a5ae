"""The omni transformer: one decoder over one stream of text, audio and image tokens.

Pre-norm blocks of grouped-query attention and SwiGLU, rotary positions, normalized queries and keys, one vocabulary
with tied input and output vectors. One dial, `depth`, sets all else (`OmniConfig.from_depth`). The model returns
hidden states; `logits` is apart, because training asks it only for the tokens that carry a loss and decoding only for
the last.

Where a reply's position holds several ids (`stream.folding`), all are predicted from the position before: the first
from the hidden state, each further one from the hidden state through the matrix of its place, its head. A head starts
as the identity, so that it begins with what the state says anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.kernels import ScoreBlock
from omniloom.layers.attention import DenseAttention, visible_within
from omniloom.layers.cache import KeyValueCache
from omniloom.layers.feedforward import SwiGLU
from omniloom.layers.norm import RMSNorm, unit_norm
from omniloom.layers.rotary import rotary_angles
from omniloom.models.embedding import INITIAL_STD, TokenEmbedding
from omniloom.stream.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class OmniConfig:
    """The transformer's shape. `context` bounds what generation may hold; rotary positions have no table.

    After `hearing_layer` blocks the state of a frame of a user's sound must tell the word that is heard, in training
    (`OmniModel.heard_logits`); None leaves it alone.
    """

    depth: int
    attention: DenseAttention.Config
    hidden_width: int
    rotary_base: float = 10_000.0
    context: int = 2048
    hearing_layer: int | None = None

    def __post_init__(self) -> None:
        if self.hearing_layer is not None and not 1 <= self.hearing_layer <= self.depth:
            raise ValueError(f"hearing_layer must be between 1 and depth {self.depth}, got {self.hearing_layer}")

    @property
    def width(self) -> int:
        return self.attention.width

    @classmethod
    def from_depth(cls, depth: int, *, num_heads: int | None = None, context: int = 2048) -> OmniConfig:
        """All sizes from one dial: width 64 a head, about 37 a layer; 2 queries a key head; hidden 2.75 x width.

        Words are heard half way up, so that the upper half can work with them as with written ones. `num_heads` is for
        models narrower or wider than that.

        Depth 7 gives width 256 and 5.2 M parameters in the blocks; depth 12 gives 384 and 19.9 M.
        """
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        if num_heads is None:
            num_heads = max(2, 2 * round(depth * 37 / 128))
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads}")
        attention = DenseAttention.Config(
            width=64 * num_heads, num_heads=num_heads, num_kv_heads=max(1, num_heads // 2), head_width=64
        )
        return cls(
            depth=depth,
            attention=attention,
            hidden_width=176 * num_heads,
            context=context,
            hearing_layer=(depth + 1) // 2,
        )


class Block(nn.Module):
    """Attention, then feed-forward, each on the normalized residual stream."""

    def __init__(self, config: OmniConfig, *, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = DenseAttention(config.attention, layer=layer)
        self.feedforward_norm = RMSNorm(config.width)
        self.feedforward = SwiGLU(config.width, config.hidden_width)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        angles: tuple[Tensor, Tensor],
        visible: Bool[Tensor, "B 1 T S"] | None,
        cache: KeyValueCache | None,
    ) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.attention_norm(x), angles=angles, visible=visible, cache=cache)
        return x + self.feedforward(self.feedforward_norm(x))


class States(NamedTuple):
    """Hidden states of all positions: after the last block, and where heard words are told, if they are."""

    last: Float[Tensor, "B T D"]
    heard: Float[Tensor, "B T D"] | None


class OmniModel(nn.Module):
    """A causal transformer over the stream."""

    def __init__(self, config: OmniConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.embedding = TokenEmbedding(vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config, layer=layer) for layer in range(config.depth))
        self.heads = nn.ParameterList(torch.eye(config.width) for _ in vocabulary.reply_places)
        self.hearing = nn.Parameter(torch.eye(config.width)) if config.hearing_layer is not None else None
        self.initialize()

    def initialize(self) -> None:
        """Normal weights, zero where a layer writes to the residual stream, so each block starts as nothing."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INITIAL_STD if module.in_features < 512 else INITIAL_STD / 2)
                if name.endswith(".out"):
                    nn.init.zeros_(module.weight)

    def forward(
        self,
        ids: Int[Tensor, "B T"],
        slots: Int[Tensor, "B T"],
        *,
        more: Int[Tensor, "B T K"] | None = None,
        documents: Int[Tensor, "B T"] | None = None,
        positions: Int[Tensor, "B T"] | None = None,
        visible: Bool[Tensor, "B 1 T S"] | None = None,
        cache: KeyValueCache | None = None,
        table: Float[Tensor, "V D"] | None = None,
    ) -> States:
        """Hidden states, normalized, one for each position.

        `more` are the ids beside the first at positions that hold several (`stream.folding`), else <pad>.
        `documents` numbers the conversations of packed rows; a token sees its own only. With a cache, the caller
        gives `positions` and `visible` over all cached tokens. `table` is `embedding.table()` where already at hand.
        """
        if documents is not None:
            visible = visible_within(documents)
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)
        angles = rotary_angles(positions, head_width=self.config.attention.head_width, base=self.config.rotary_base)
        x = self.embedding.embed(self.embedding.table() if table is None else table, ids, slots, more)
        heard = None
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, angles, visible, cache)
            if number == self.config.hearing_layer:
                heard = unit_norm(x)
        return States(unit_norm(x), heard)

    def states_after(
        self,
        num_blocks: int,
        ids: Int[Tensor, "B T"],
        slots: Int[Tensor, "B T"],
        *,
        more: Int[Tensor, "B T K"] | None = None,
        table: Float[Tensor, "V D"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Normalized states after the first blocks; after all of them those that `forward` gives."""
        assert 0 <= num_blocks <= self.config.depth
        positions = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)
        angles = rotary_angles(positions, head_width=self.config.attention.head_width, base=self.config.rotary_base)
        x = self.embedding.embed(self.embedding.table() if table is None else table, ids, slots, more)
        for block in self.blocks[:num_blocks]:
            x = block(x, angles, None, None)
        return unit_norm(x)

    def logits(
        self, hidden: Float[Tensor, "*rows D"], *, table: Float[Tensor, "V D"] | None = None
    ) -> Float[Tensor, "*rows V"]:
        """Scores of every id as the next one."""
        return F.linear(hidden, self.embedding.table() if table is None else table)

    def place_logits(
        self, hidden: Float[Tensor, "*rows D"], number: int, *, table: Float[Tensor, "V D"]
    ) -> Float[Tensor, "*rows ids"]:
        """Scores of what may stand at `vocabulary.reply_places[number]` of the next position."""
        place = self.vocabulary.reply_places[number]
        return F.linear(F.linear(hidden, self.heads[number]), table[place.start : place.stop])

    def heard_logits(
        self, heard: Float[Tensor, "frames D"], *, table: Float[Tensor, "V D"]
    ) -> Float[Tensor, "frames ids"]:
        """Scores of every text id as the first of the word that frames belong to, from `States.heard`."""
        assert self.hearing is not None, "a model without a hearing_layer tells no words"
        (text,) = self.vocabulary.planes_of("text")
        return F.linear(F.linear(heard, self.hearing), table[text.start : text.stop])

    def output(self, table: Float[Tensor, "V D"]) -> Float[Tensor, "scores D"]:
        """One matrix for all scores: `logits`, then each `place_logits`."""
        places = zip(self.heads, self.vocabulary.reply_places, strict=True)
        rows = [table[place.start : place.stop] @ head for head, place in places]
        return torch.cat([table, *rows]) if rows else table

    def output_blocks(self) -> tuple[ScoreBlock, ...]:
        """The rows of `output` in order, as the parameters they are made of."""
        planes = self.embedding.planes()
        places = zip(self.heads, self.vocabulary.reply_places, strict=True)
        first = min(planes, default=self.vocabulary.size)
        controls = ScoreBlock(rows=self.embedding.rows[:first])
        return (
            controls,
            *planes.values(),
            *(replace(planes[place.start], head=head) for head, place in places),
        )

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
