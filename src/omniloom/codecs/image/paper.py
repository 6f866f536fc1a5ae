"""The colour of the sheet that a picture is on, taken out before anything else and put back at the end.

A block of the codec has one colour, so an emoji on pale green would be a green sheet and nothing more (of such
pictures 9 in 100 could still be read). A picture on coloured paper, divided by its paper, is one on white, which the
codec knows: 97 in 100 are then read, without any training. Only light paper that shows along half of the picture's edge
counts; all else is a picture on white.
"""

from __future__ import annotations

import functools
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor

DARKEST = 0.5
"""Of each of red, green and blue, the least that is still paper."""
LIKE = 8 / 255
"""How far a pixel may be from the paper's colour to be paper: more than the noise of JPEG."""
LEAST_SHARE = 0.5


def paper_of(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3"]:
    """The colour of each picture's paper, white where it shows none; pixels are in 0..1."""
    sides = [pixels[:, :, 0], pixels[:, :, -1], pixels[:, :, 1:-1, 0], pixels[:, :, 1:-1, -1]]
    edge = torch.cat(sides, dim=2)
    middle = edge.median(dim=2).values
    is_like = (edge - middle[..., None]).abs().amax(dim=1) <= LIKE
    is_paper = (is_like.double().mean(dim=1) >= LEAST_SHARE) & (middle.amin(dim=1) >= DARKEST)
    return torch.where(is_paper[:, None], middle, torch.ones_like(middle))


def on_white(pixels: Float[Tensor, "B 3 H W"], paper: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 H W"]:
    """The pictures without their paper."""
    return (pixels / paper[..., None, None]).clamp(max=1)


def paper_codes(paper: Float[Tensor, "B 3"], levels: tuple[int, ...]) -> Int[Tensor, " B"]:
    """One code a picture: red, green and blue in even steps from `DARKEST` to white, red the lowest digit."""
    steps = paper.new_tensor(levels) - 1
    digits = ((paper - DARKEST) / (1 - DARKEST) * steps).round().long().clamp(min=0)
    return (digits * _places(levels, paper.device)).sum(dim=1)


def papers(codes: Int[Tensor, " B"], levels: tuple[int, ...]) -> Float[Tensor, "B 3"]:
    """The colours of codes.

    Raises:
        ValueError: If a code is none.
    """
    table = _colours(levels, codes.device)
    if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(table):
        raise ValueError(f"codes of paper must be in 0..{len(table) - 1}, got {codes.tolist()[:8]}")
    return table[codes]


@functools.cache
def _colours(levels: tuple[int, ...], device: torch.device) -> Float[Tensor, "codes 3"]:
    sizes = torch.tensor(levels, device=device)
    digits = torch.arange(prod(levels), device=device)[:, None] // _places(levels, device) % sizes
    return DARKEST + (1 - DARKEST) * digits / (sizes - 1)


def _places(levels: tuple[int, ...], device: torch.device) -> Int[Tensor, " 3"]:
    return torch.tensor([1, levels[0], levels[0] * levels[1]], device=device)
