"""One stream of a caption's tokens and then its picture's codes, and a transformer that predicts both.

Ramesh et al. 2021 (DALL·E), section 2.2 and appendix B: learned positions, one for each place of the text and one for
each row and column of the picture; a padding token of its own for every place of the text, so that the picture always
begins at the same position; masks by `layers.sparse_attention`, row, column, row, row, and the last convolutional. The
blocks are those of this package (RMSNorm, SwiGLU, QK-norm) and not the published ones, whose extra norms and per-block
gradient scaling were for training in 16-bit floats. `paper()` is the published size.

The omni model draws too, from a vocabulary of every modality. This one exists for pictures alone: it is the published
system, small enough to train in minutes, and its masks need a picture that lies on one plane, row by row.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from omniloom.layers.attention import DenseAttention
from omniloom.layers.cache import KeyValueCache
from omniloom.layers.feedforward import SwiGLU
from omniloom.layers.norm import RMSNorm
from omniloom.layers.sparse_attention import PictureMask, published_order, visible

ROW_STD = 0.02
"""Of embeddings at first, as GPT-2's."""


class StreamLogits(NamedTuple):
    """What is predicted: at each place of the text its token or padding, at each of the picture its code."""

    text: Float[Tensor, "B L V"]
    image: Float[Tensor, "B F V2"]


class Block(nn.Module):
    """Attention by one mask, then the feed-forward layer; norms before each."""

    def __init__(self, attention: DenseAttention.Config, hidden_width: int, *, layer: int) -> None:
        super().__init__()
        self.attention_norm, self.feedforward_norm = RMSNorm(attention.width), RMSNorm(attention.width)
        self.attention = DenseAttention(attention, layer=layer)
        self.feedforward = SwiGLU(attention.width, hidden_width)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        *,
        seen: Bool[Tensor, "#B 1 T S"],
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        # Positions are learned and added, so nothing is turned.
        shape = (len(x), 1, x.shape[1], self.attention.config.head_width // 2)
        still = (x.new_ones(()).expand(shape), x.new_zeros(()).expand(shape))
        # Training on a CPU, torch's fused attention takes twice as long in bf16 as plain products, by its gradient.
        with sdpa_kernel(SDPBackend.MATH) if self.training and x.device.type == "cpu" else nullcontext():
            x = x + self.attention(self.attention_norm(x), angles=still, visible=seen, cache=cache)
        return x + self.feedforward(self.feedforward_norm(x))


class PictureStream(nn.Module):
    """Captions and codes to scores of the next of them.

    Ids of the text are 0 .. text_vocabulary - 1, and text_vocabulary + p is the padding of place p.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """`text_length` places for the caption; `grid`² codes of `image_vocabulary`."""

        text_vocabulary: int
        image_vocabulary: int
        text_length: int = 256
        grid: int = 8
        width: int = 192
        num_layers: int = 6
        num_heads: int = 6
        hidden_width: int = 512
        kernel: int = 11
        masks: tuple[PictureMask, ...] = ()
        """One a layer; empty for the published order."""

        def __post_init__(self) -> None:
            sizes = (self.text_vocabulary, self.image_vocabulary, self.text_length, self.grid, self.num_layers)
            if min(sizes) < 1:
                raise ValueError(f"vocabularies, lengths and layers must be at least 1, got {self}")
            if self.width % self.num_heads:
                raise ValueError(f"width {self.width} must be a multiple of num_heads {self.num_heads}")
            if self.masks and len(self.masks) != self.num_layers:
                raise ValueError(f"masks must name one for each of {self.num_layers} layers, got {len(self.masks)}")

        @property
        def num_codes(self) -> int:
            return self.grid**2

        @property
        def num_positions(self) -> int:
            """Places that are predicted, text and picture."""
            return self.text_length + self.num_codes

        @property
        def layer_masks(self) -> tuple[PictureMask, ...]:
            return self.masks or published_order(self.num_layers)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        self.vocabulary = None
        num_text_ids = c.text_vocabulary + c.text_length
        self.start = nn.Parameter(torch.empty(c.width))
        self.text_rows = nn.Parameter(torch.empty(num_text_ids, c.width))
        self.image_rows = nn.Parameter(torch.empty(c.image_vocabulary, c.width))
        self.text_places = nn.Parameter(torch.empty(c.text_length, c.width))
        self.row_places = nn.Parameter(torch.empty(c.grid, c.width))
        self.column_places = nn.Parameter(torch.empty(c.grid, c.width))
        heads = DenseAttention.Config(
            width=c.width, num_heads=c.num_heads, num_kv_heads=c.num_heads, head_width=c.width // c.num_heads
        )
        self.blocks = nn.ModuleList(Block(heads, c.hidden_width, layer=layer) for layer in range(c.num_layers))
        self.norm = RMSNorm(c.width)
        self.text_head = nn.Linear(c.width, num_text_ids)
        self.image_head = nn.Linear(c.width, c.image_vocabulary)
        self._initialize()
        # The caption's region has one position more than places: the start, from which the first token is predicted.
        for kind in dict.fromkeys(c.layer_masks):
            mask = visible(kind, num_text=c.text_length + 1, grid=c.grid, kernel=c.kernel)
            self.register_buffer(f"_mask_{kind}", mask[: c.num_positions, : c.num_positions], persistent=False)

    def _initialize(self) -> None:
        """Normal weights; what a block adds is nothing at first."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or name.endswith("out.weight"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                is_row = "places" in name or "rows" in name
                nn.init.normal_(parameter, std=ROW_STD if is_row else parameter.shape[1] ** -0.5)
        nn.init.normal_(self.start, std=ROW_STD)

    def mask(self, layer: int) -> Bool[Tensor, "T T"]:
        """What each position of the stream sees in a layer."""
        return getattr(self, f"_mask_{self.config.layer_masks[layer]}")

    def pad(self, tokens: list[int]) -> list[int]:
        """A caption's tokens at full length, each place that is left with the padding of its own.

        Raises:
            ValueError: If there are more than `text_length`, or none.
        """
        c = self.config
        if not 1 <= len(tokens) <= c.text_length:
            raise ValueError(f"a caption has 1 to {c.text_length} tokens, this one has {len(tokens)}; make it shorter")
        return [*tokens, *range(c.text_vocabulary + len(tokens), c.text_vocabulary + c.text_length)]

    def embed(
        self, text: Int[Tensor, "B L"] | None, codes: Int[Tensor, "B F"] | None, *, first_code: int = 0
    ) -> Float[Tensor, "B T D"]:
        """What enters the first layer: the start and padded text, codes from place `first_code` on, or both."""
        parts = []
        if text is not None:
            start = self.start.expand(len(text), 1, -1)
            parts += [start, self.text_rows[text] + self.text_places]
        if codes is not None:
            places = torch.arange(first_code, first_code + codes.shape[1], device=codes.device)
            rows, columns = places // self.config.grid, places % self.config.grid
            parts.append(self.image_rows[codes] + self.row_places[rows] + self.column_places[columns])
        return torch.cat(parts, dim=1)

    def run(
        self, x: Float[Tensor, "B T D"], *, first: int = 0, cache: KeyValueCache | None = None
    ) -> Float[Tensor, "B T D"]:
        """States of positions from `first` on; with a cache, the earlier ones are taken from there."""
        stop = first + x.shape[1]
        for layer, block in enumerate(self.blocks):
            x = block(x, seen=self.mask(layer)[None, None, first:stop, :stop], cache=cache)
        return self.norm(x)

    def forward(self, text: Int[Tensor, "B L"], codes: Int[Tensor, "B F"]) -> StreamLogits:
        """Scores for padded text and whole pictures, each place from all that stands before it."""
        states = self.run(self.embed(text, codes[:, :-1]))
        length = self.config.text_length
        return StreamLogits(self.text_head(states[:, :length]), self.image_head(states[:, length:]))


def paper(*, text_vocabulary: int = 16_384, image_vocabulary: int = 8_192) -> PictureStream.Config:
    """The published size: 64 layers of 62 heads of 64, 256 tokens of text and 1,024 codes; 12 billion parameters."""
    return PictureStream.Config(
        text_vocabulary=text_vocabulary,
        image_vocabulary=image_vocabulary,
        text_length=256,
        grid=32,
        width=62 * 64,
        num_layers=64,
        num_heads=62,
        # Gate, value and out of SwiGLU with as many weights as the published two matrices of 4 x width.
        hidden_width=8 * 62 * 64 // 3,
    )
