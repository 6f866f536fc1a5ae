"""What a picture shows and in which colour, by a convolutional network: the judge of composites.

It is a judge, so it has nothing in common with what it judges: weights of its own, pictures of its own seed, no text,
and convolutions where the reranker has patches. Colour and object are told apart by two heads, so that a pair which was
never drawn is judged by both of its parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 4


class AttributeLogits(NamedTuple):
    """Scores of each colour and of each object."""

    colours: Float[Tensor, "B colours"]
    objects: Float[Tensor, "B objects"]


class AttributeClassifier(nn.Module):
    """Three convolutions of stride 2, each with one of stride 1 after it, their maximum and mean, and two heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        num_colours: int
        num_objects: int
        width: int = 32

        def __post_init__(self) -> None:
            if min(self.num_colours, self.num_objects) < 2 or self.width < 1:
                raise ValueError(f"there must be at least 2 colours and 2 objects, and some width, got {self}")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width = config.width
        layers: list[nn.Module] = []
        for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.colours = nn.Linear(8 * width, config.num_colours)
        # Shape lies in where things are, so the last grid is kept for the object.
        self.objects = nn.Linear(4 * width * GRID**2, config.num_objects)

    def forward(self, pixels: Float[Tensor, "B 3 side side"]) -> AttributeLogits:
        """Of pictures in 0..1, of 32 pixels a side or more."""
        features = self.features(2 * pixels - 1)
        whole = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        grid = F.adaptive_avg_pool2d(features, GRID).flatten(1)
        return AttributeLogits(self.colours(whole), self.objects(grid))
