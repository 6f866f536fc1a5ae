"""A picture and a caption as vectors of one space, near where they belong together (CLIP, Radford et al. 2021).

Both towers are small transformers: patches of the picture, tokens of the caption, each averaged at the end, projected
and brought to length 1. The scale of their products is learned as its logarithm and never above 100, as published. A
convolutional picture tower was left to the classifier that judges it, which so shares no architecture with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.layers.attention import DenseAttention
from omniloom.models.pictures.stream import Block

MAX_SCALE = 100.0


class Contrastive(nn.Module):
    """Two towers and the learned scale of their products."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Pictures of `side` pixels in patches of `patch`; captions of up to `text_length` tokens."""

        text_vocabulary: int
        text_length: int = 32
        side: int = 32
        patch: int = 4
        width: int = 128
        num_heads: int = 4
        num_image_layers: int = 3
        num_text_layers: int = 2
        space: int = 64

        def __post_init__(self) -> None:
            if self.side % self.patch:
                raise ValueError(f"side {self.side} must be a multiple of patch {self.patch}")
            if self.width % self.num_heads:
                raise ValueError(f"width {self.width} must be a multiple of num_heads {self.num_heads}")
            if min(self.text_vocabulary, self.text_length, self.num_image_layers, self.num_text_layers) < 1:
                raise ValueError(f"vocabulary, lengths and layers must be at least 1, got {self}")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        num_patches = (c.side // c.patch) ** 2
        heads = DenseAttention.Config(
            width=c.width, num_heads=c.num_heads, num_kv_heads=c.num_heads, head_width=c.width // c.num_heads
        )
        self.patches = nn.Conv2d(3, c.width, c.patch, stride=c.patch)
        self.patch_places = nn.Parameter(0.02 * torch.randn(num_patches, c.width))
        self.rows = nn.Parameter(0.02 * torch.randn(c.text_vocabulary, c.width))
        self.text_places = nn.Parameter(0.02 * torch.randn(c.text_length, c.width))
        self.image_blocks = nn.ModuleList(Block(heads, 3 * c.width, layer=n) for n in range(c.num_image_layers))
        self.text_blocks = nn.ModuleList(Block(heads, 3 * c.width, layer=n) for n in range(c.num_text_layers))
        self.image_out = nn.Linear(c.width, c.space, bias=False)
        self.text_out = nn.Linear(c.width, c.space, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """What products are multiplied by."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def image_vectors(self, pixels: Float[Tensor, "B 3 side side"]) -> Float[Tensor, "B space"]:
        """Vectors of length 1 of pictures in 0..1."""
        x = self.patches(2 * pixels - 1).flatten(2).transpose(1, 2) + self.patch_places
        num_patches = x.shape[1]
        everything = torch.ones(1, 1, num_patches, num_patches, dtype=torch.bool, device=x.device)
        for block in self.image_blocks:
            x = block(x, seen=everything)
        return F.normalize(self.image_out(x.mean(dim=1)).float(), dim=-1)

    def text_vectors(self, tokens: Int[Tensor, "B T"], is_text: Bool[Tensor, "B T"]) -> Float[Tensor, "B space"]:
        """Vectors of length 1 of captions; what is not text is not looked at."""
        x = self.rows[tokens] + self.text_places[: tokens.shape[1]]
        seen = is_text[:, None, None, :].expand(-1, 1, tokens.shape[1], -1)
        for block in self.text_blocks:
            x = block(x, seen=seen)
        weight = is_text[..., None].to(x.dtype)
        mean = (x * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return F.normalize(self.text_out(mean).float(), dim=-1)

    def forward(
        self, pixels: Float[Tensor, "B 3 side side"], tokens: Int[Tensor, "B T"], is_text: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B B"]:
        """Scores of every picture (rows) with every caption (columns)."""
        return self.scale * self.image_vectors(pixels) @ self.text_vectors(tokens, is_text).T
