"""A picture of 64x64 as 81 codes: 16 colours of 16x16 blocks, 64 silhouettes of 8x8 patches, and its paper.

Coverage and colour are parted first (see `separation`), each gets a small network and a finite scalar quantizer of its
own, and the decoder multiplies them again: a picture is paper minus coverage times ink. All networks run on the coarse
grid, a patch being one vector. Encoders look at one patch or block alone, so that an object has the same codes wherever
it stands on the grid, whatever else is in the picture; the decoder looks two patches around, and the border is paper
like any other. Wider encoders were left out: a code that depends on its neighbours is one the language model must
learn again for every neighbour. As no network knows how large the grid is, frames of a video, at half the side, go
through the same ones and have the same codes: 4 colours, then 16 silhouettes. A frame is on white; the paper of a
picture may have a colour (see `paper`), and comes first in the stream.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from omniloom.codecs.base import fingerprint
from omniloom.codecs.image.paper import on_white, paper_codes, paper_of, papers
from omniloom.codecs.image.separation import BLOCK, FRAME_SIDE, PATCH, SIDE, Separated, separate
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.layers.prepared import FromWeights, in_double, prepared
from omniloom.layers.quantizer import FiniteScalarQuantizer
from omniloom.stream.parts import Image
from omniloom.stream.vocabulary import CodecSpec, Plane, flattened

COLOUR_GRID = SIDE // BLOCK
COVERAGE_GRID = SIDE // PATCH
NUM_COLOURS = COLOUR_GRID**2
NUM_INK_CODES = NUM_COLOURS + COVERAGE_GRID**2
"""All but the paper's."""
FRAME_COLOUR_GRID = FRAME_SIDE // BLOCK
NUM_FRAME_CODES = FRAME_COLOUR_GRID**2 + (FRAME_SIDE // PATCH) ** 2
KIND = "image_codec"
_LATER_FIELDS = ("folds", "paper_levels")
PATCHES = BLOCK // PATCH
"""Along a side of a block."""
MARGIN = 2
"""Patches of paper around the picture: one for each 3x3 convolution of the decoder, which has no other padding."""


class Reconstruction(NamedTuple):
    """A decoded batch, and its factors for the losses."""

    pixels: Float[Tensor, "B 3 side side"]
    coverage_logits: Float[Tensor, "B 1 side side"]
    ink: Float[Tensor, "B 3 grid grid"]


@codec_kinds.register(KIND)
class ImageCodec(nn.Module):
    """Pictures to codes and back; a flat shape's coverage codes do not depend on its colour, nor the reverse."""

    side = SIDE
    frame_side = FRAME_SIDE

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Widths of the networks; the levels fix the size of the vocabulary.

        `folds`: a model takes a block's colour and the silhouettes in it as one position, seen or drawn, and the paper
        as another. `paper_levels`: how many reds, greens and blues of paper there are; none for white paper only.
        """

        encoder_width: int = 256
        decoder_width: int = 160
        colour_width: int = 64
        colour_levels: tuple[int, ...] = (8, 8, 8)
        coverage_levels: tuple[int, ...] = (8, 5, 5, 5)
        folds: bool = True
        paper_levels: tuple[int, ...] = (6, 6, 6)

        def __post_init__(self) -> None:
            if len(self.paper_levels) not in (0, 3) or any(number < 2 for number in self.paper_levels):
                raise ValueError(f"paper_levels must be 3 numbers of at least 2, or none, got {self.paper_levels}")

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config = config or self.Config()
        self.colour_quantizer = FiniteScalarQuantizer(config.colour_levels)
        self.coverage_quantizer = FiniteScalarQuantizer(config.coverage_levels)
        num_colour, num_coverage = len(config.colour_levels), len(config.coverage_levels)
        self.colour_encoder = _perceptron(4, config.colour_width, num_colour)
        self.coverage_encoder = _perceptron(PATCH**2, config.encoder_width, num_coverage)
        self.colour_decoder = _perceptron(num_colour, config.colour_width, 3)
        self.coverage_decoder = _grid_network(num_coverage, config.decoder_width, PATCH**2)
        self.shading_decoder = _grid_network(num_coverage + num_colour, config.colour_width, 3 * PATCH**2)
        self._encoders = FromWeights(_in_double)
        self._decoding = FromWeights(self._for_inference)
        self._empty = FromWeights(self._encoded_white)

    @property
    def spec(self) -> CodecSpec:
        """Planes, and a fingerprint of the weights as they are saved, in half precision."""
        colour, coverage, paper = self.colour_quantizer, self.coverage_quantizer, self.config.paper_levels
        of_paper = (Plane(name="image.paper", size=prod(paper), levels=paper, count=1),) if paper else ()
        return CodecSpec(
            modality="image",
            planes=(
                Plane(name="image.colour", size=colour.num_codes, levels=colour.levels, count=NUM_COLOURS),
                Plane(name="image.coverage", size=coverage.num_codes, levels=coverage.levels, count=COVERAGE_GRID**2),
                *of_paper,
            ),
            fingerprint=fingerprint(self._fields(), self._half_state()),
            groups=self._groups,
            frame_groups=_blocks(FRAME_COLOUR_GRID) if self.config.folds else (),
            folds_replies=self.config.folds,
        )

    def train(self, mode: bool = True) -> ImageCodec:
        for kept in (self._encoders, self._decoding, self._empty):
            kept.forget()  # the weights may change from here on
        return super().train(mode)

    @property
    def num_codes(self) -> int:
        """Of a picture."""
        return NUM_INK_CODES + bool(self.config.paper_levels)

    @property
    def block_grid(self) -> int:
        return COLOUR_GRID if self.config.folds else 0

    @property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        of_paper = ((NUM_INK_CODES,),) if self.config.paper_levels else ()
        return (*of_paper, *_blocks(COLOUR_GRID)) if self.config.folds else ()

    def encode(self, part: Image) -> list[int]:
        """The codes of a picture of any size, fitted on a white square of 64 pixels."""
        pixels = part.resized(SIDE).pixels[None].float() / 255
        return [int(code) for code in self.encode_pixels(pixels)[0]]

    def decode(self, codes: Sequence[int]) -> Image:
        """The picture of `num_codes` codes.

        Raises:
            ValueError: If there are not so many, or one is not of its plane.
        """
        if len(codes) != self.num_codes:
            raise ValueError(
                f"a picture is {self.num_codes} codes, got {len(codes)}; use decode_partial while it is drawn"
            )
        return _to_image(self.decode_codes(torch.tensor(codes)[None])[0])

    def decode_partial(self, codes: Sequence[int]) -> Image:
        """The picture so far, from the first codes of the stream; patches whose code has not come yet are empty."""
        places = torch.tensor(_order(self._groups, self.num_codes)[: len(codes)], dtype=torch.long)
        whole = self.empty_codes()
        whole[places] = torch.tensor(codes, dtype=torch.long)
        pixels = self.decode_codes(whole[None])[0]
        drawn = torch.isin(torch.arange(NUM_COLOURS, NUM_INK_CODES), places)
        mask = drawn.view(1, COVERAGE_GRID, COVERAGE_GRID).repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
        empty = self._papers(whole[None])[0, :, None, None].expand_as(pixels)
        return _to_image(torch.where(mask, pixels, empty))

    def encode_pixels(self, pixels: Float[Tensor, "B 3 64 64"]) -> Int[Tensor, "B codes"]:
        """Codes of pictures in 0..1; a row's codes do not depend on the rows beside it."""
        if not self.config.paper_levels:
            return self._codes(pixels)
        pixels = pixels.double()
        paper = paper_of(pixels)
        of_paper = self._first_paper + paper_codes(paper, self.config.paper_levels)
        return torch.cat([self._codes(on_white(pixels, paper)), of_paper[:, None]], dim=1)

    def decode_codes(self, codes: Int[Tensor, "B codes"]) -> Float[Tensor, "B 3 64 64"]:
        """Pictures in 0..1 of rows of codes.

        Raises:
            ValueError: If a code is not of its plane.
        """
        return self._pixels(codes[:, :NUM_INK_CODES], COLOUR_GRID) * self._papers(codes)[..., None, None]

    def encode_frames(self, pixels: Float[Tensor, "B 3 32 32"]) -> Int[Tensor, "B 20"]:
        """Codes of frames of a video in 0..1; a row's codes do not depend on the rows beside it."""
        return self._codes(pixels)

    def decode_frames(self, codes: Int[Tensor, "B 20"]) -> Float[Tensor, "B 3 32 32"]:
        """Frames in 0..1 of rows of codes.

        Raises:
            ValueError: If a code is not of its plane.
        """
        return self._pixels(codes, FRAME_COLOUR_GRID)

    def forward(self, separated: Separated) -> Reconstruction:
        """Encode, quantize and decode with gradients, for training."""
        colour, coverage = _encode(separated, (self.colour_encoder, self.coverage_encoder), dtype=torch.float32)
        values = self.colour_quantizer(colour).values
        return _decode(
            _Grid(self.colour_decoder(values), values, self.coverage_quantizer(coverage).values),
            self._paper_values(self.colour_encoder, self.coverage_encoder),
            networks=(self.coverage_decoder, self.shading_decoder),
        )

    def empty_codes(self) -> Int[Tensor, " codes"]:
        """The codes of an empty white sheet."""
        return self._empty(self.colour_encoder, self.coverage_encoder).clone()

    def round_weights(self) -> None:
        """Make the weights those that a saved and loaded codec has."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(parameter.half().float())

    def save(self, folder: str | Path) -> None:
        """Write the codec's folder: its configuration, and its weights in half precision."""

        def write(path: Path) -> None:
            (path / CONFIG_FILE).write_text(json.dumps({"kind": KIND, **self._fields()}, indent=1) + "\n")
            save_file(self._half_state(), str(path / "model.safetensors"))

        write_folder(folder, write)

    @classmethod
    def load(cls, folder: str | Path) -> ImageCodec:
        """Read a codec's folder.

        Raises:
            ValueError: If the folder is torn, or holds something else.
        """
        read_manifest(folder)
        try:
            fields = json.loads((Path(folder) / CONFIG_FILE).read_text())
            require_kind(folder, fields.pop("kind", KIND), kind=KIND, name="image codec")
            lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
            codec = cls(cls.Config(**{"folds": False, "paper_levels": (), **fields, **lists}))
            state = load_file(str(Path(folder) / "model.safetensors"))
            codec.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        except (FileNotFoundError, TypeError, RuntimeError) as error:
            raise ValueError(f"{folder} holds no image codec ({error}); give the folder of a trained one") from error
        return codec.eval()

    def _fields(self) -> dict[str, Any]:
        """The configuration as it is saved, without what older codecs did not have, which keep their fingerprint."""
        return {name: value for name, value in asdict(self.config).items() if value or name not in _LATER_FIELDS}

    @torch.inference_mode()
    def _codes(self, pixels: Float[Tensor, "B 3 side side"]) -> Int[Tensor, "B F"]:
        """Colours, then coverage with its offset.

        The encoders run in float64, as a matrix product's rounding changes with the batch and could move a code.
        """
        encoders = self._encoders(self.colour_encoder, self.coverage_encoder)
        colour, coverage = _encode(separate(pixels.double()), encoders, dtype=torch.float64)
        colour_codes = self.colour_quantizer.codes(colour).flatten(1)
        coverage_codes = self.coverage_quantizer.codes(coverage).flatten(1)
        return torch.cat([colour_codes, coverage_codes + self.colour_quantizer.num_codes], dim=1)

    @torch.inference_mode()
    def _pixels(self, codes: Int[Tensor, "B F"], grid: int) -> Float[Tensor, "B 3 side side"]:
        """What rows of codes show, whose colours stand on a grid of so many blocks a side."""
        colour, coverage = codes[:, : grid**2], codes[:, grid**2 :] - self.colour_quantizer.num_codes
        self.colour_quantizer.require(colour)
        self.coverage_quantizer.require(coverage)
        ready = self._decoding(*self.children())
        colour, coverage = colour.unflatten(1, (grid, grid)), coverage.unflatten(1, (PATCHES * grid, PATCHES * grid))
        values = _Grid(
            F.embedding(colour, ready.inks), F.embedding(colour, ready.colours), F.embedding(coverage, ready.coverages)
        )
        return _decode(values, ready.paper, networks=ready.networks).pixels

    def _for_inference(self, *_: nn.Module) -> _Decoding:
        colours, coverages = (
            quantizer.codes_to_values(torch.arange(quantizer.num_codes, device=next(self.parameters()).device))
            for quantizer in (self.colour_quantizer, self.coverage_quantizer)
        )
        return _Decoding(
            inks=self.colour_decoder(colours),
            colours=colours,
            coverages=coverages,
            paper=self._paper_values(self.colour_encoder, self.coverage_encoder),
            networks=(prepared(self.coverage_decoder), prepared(self.shading_decoder)),
        )

    def _encoded_white(self, *_: nn.Module) -> Int[Tensor, " codes"]:
        return self.encode_pixels(torch.ones(1, 3, SIDE, SIDE))[0]

    @property
    def _first_paper(self) -> int:
        """The code of the darkest paper."""
        return self.colour_quantizer.num_codes + self.coverage_quantizer.num_codes

    def _papers(self, codes: Int[Tensor, "B codes"]) -> Float[Tensor, "B 3"]:
        """The colour of each picture's paper."""
        levels = self.config.paper_levels
        return papers(codes[:, -1] - self._first_paper, levels) if levels else torch.ones(len(codes), 3)

    def _half_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().half().contiguous() for name, tensor in self.state_dict().items()}

    @torch.no_grad()
    def _paper_values(self, *encoders: nn.Module) -> tuple[Tensor, Tensor]:
        """Grid values of an empty block and an empty patch."""
        weight = next(self.parameters())
        blank = Separated(weight.new_zeros(1, 1, PATCH, PATCH), weight.new_zeros(1, 4, 1, 1))
        colour, coverage = _encode(blank, self._encoders(*encoders), dtype=torch.float64)
        return self.colour_quantizer(colour).values[0, 0, 0], self.coverage_quantizer(coverage).values[0, 0, 0]


class _Grid(NamedTuple):
    """What codes stand for, (B rows columns C): the ink of blocks, their values, and those of patches."""

    ink: Tensor
    colour: Tensor
    coverage: Tensor


class _Decoding(NamedTuple):
    """What decoding needs: what each code stands for, paper, and the networks of coverage and shading."""

    inks: Float[Tensor, "codes 3"]
    colours: Float[Tensor, "codes C"]
    coverages: Float[Tensor, "codes C"]
    paper: tuple[Tensor, Tensor]
    networks: tuple[nn.Module, nn.Module]


def _decode(grid: _Grid, paper: tuple[Tensor, Tensor], *, networks: tuple[nn.Module, nn.Module]) -> Reconstruction:
    """Pictures from grid values, with the values of an empty block and patch around them."""
    coverage_decoder, shading_decoder = networks
    ink = grid.ink.permute(0, 3, 1, 2)
    paper_colour, paper_coverage = paper
    colours = grid.colour.repeat_interleave(PATCHES, 1).repeat_interleave(PATCHES, 2)
    shapes = _surround(grid.coverage, paper_coverage)
    logits = F.pixel_shuffle(coverage_decoder(shapes), PATCH)
    shading = shading_decoder(torch.cat([shapes, _surround(colours, paper_colour)], dim=1))
    # Slightly more than 0..1, so that paper is exactly white and a filled pixel exactly its colour.
    covered = (logits.sigmoid() * 1.06 - 0.03).clamp(0, 1)
    blocks = ink.repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)
    pixels = 1 - covered * (blocks + F.pixel_shuffle(shading, PATCH)).clamp(0, 1)
    return Reconstruction(pixels, logits, ink)


def _encode(separated: Separated, encoders: Sequence[nn.Module], *, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Unrounded codes (B rows columns C) of both planes, in the precision of the encoders."""
    of_colour, of_coverage = encoders
    colour = separated.colour.to(dtype).permute(0, 2, 3, 1)
    patches = F.pixel_unshuffle(separated.coverage.to(dtype), PATCH).permute(0, 2, 3, 1)
    return of_colour(colour * 2 - 1), of_coverage(patches * 2 - 1)


def _in_double(*modules: nn.Module) -> tuple[nn.Module, ...]:
    return tuple(in_double(module) for module in modules)


@functools.cache
def _order(groups: tuple[tuple[int, ...], ...], num_codes: int) -> list[int]:
    """The place of each code of a stream."""
    return list(flattened(groups)) or list(range(num_codes))


@functools.cache
def _blocks(grid: int) -> tuple[tuple[int, ...], ...]:
    """For each block of a grid, in reading order, the places of its colour and of the silhouettes in it."""
    found = []
    for row, column in product(range(grid), repeat=2):
        patches = [
            grid**2 + (PATCHES * row + down) * PATCHES * grid + PATCHES * column + across
            for down, across in product(range(PATCHES), repeat=2)
        ]
        found.append((row * grid + column, *patches))
    return tuple(found)


def _perceptron(num_in: int, width: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_in, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, num_out)
    )


def _grid_network(num_in: int, width: int, num_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, each of which eats a ring of the margin, and a projection to a patch's pixels."""
    return nn.Sequential(
        nn.Conv2d(num_in, width, 3), nn.GELU(), nn.Conv2d(width, width, 3), nn.GELU(), nn.Conv2d(width, num_out, 1)
    )


def _surround(grid: Tensor, paper: Tensor) -> Tensor:
    """The grid with a margin of paper, channels first."""
    num_rows, height, width, _ = grid.shape
    sheet = paper.expand(num_rows, height + 2 * MARGIN, width + 2 * MARGIN, -1).clone()
    sheet[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = grid
    return sheet.permute(0, 3, 1, 2)


def _to_image(pixels: Float[Tensor, "3 64 64"]) -> Image:
    return Image((pixels.clamp(0, 1) * 255).round().to(torch.uint8))
