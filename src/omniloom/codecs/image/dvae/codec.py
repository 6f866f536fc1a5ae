"""A picture as a square grid of codes, learned whole: DALL·E's discrete VAE, and the same networks around FSQ.

It stands beside `image.ImageCodec` behind the interface of `codecs.base.AnyImageCodec`. That one parts coverage and
colour by arithmetic before anything is learned; this one learns all from pixels, so it can take pictures that are not
ink on paper, and it has one plane, so that a stream holds one code a position. Which is better at what is measured in
docs/pictures.md. Rows are encoded one at a time, as a convolution's rounding may change with the batch and move a code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from omniloom.codecs.base import fingerprint
from omniloom.codecs.image.dvae.bottleneck import FiniteScalar, GumbelSoftmax
from omniloom.codecs.image.dvae.likelihood import likeliest_pixels, map_pixels
from omniloom.codecs.image.dvae.networks import ConvolutionSizes, Decoder, Encoder
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.stream.parts import Image
from omniloom.stream.vocabulary import CodecSpec, Plane

KIND = "discrete_vae"
MODEL_FILE = "model.safetensors"
_BOTTLENECKS: dict[str, Any] = {
    "gumbel_softmax": GumbelSoftmax.Config,
    "finite_scalar": FiniteScalar.Config,
}


class Decoded(NamedTuple):
    """What training compares with the pictures: see `likelihood.pixel_nll`; and the KL divergence, nats a code."""

    outputs: Float[Tensor, "B 6 side side"]
    kl: Float[Tensor, ""]


@codec_kinds.register(KIND)
class DiscreteVAE(nn.Module):
    """Pictures to codes and back; row by row, a code for each square of `sizes.factor` pixels a side."""

    block_grid = 0

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """`side` is a picture's; a frame of a video has half of it."""

        side: int = 64
        sizes: ConvolutionSizes = field(default_factory=ConvolutionSizes)
        bottleneck: GumbelSoftmax.Config | FiniteScalar.Config = field(default_factory=GumbelSoftmax.Config)

        def __post_init__(self) -> None:
            if self.side < 1 or self.side % (2 * self.sizes.factor):
                raise ValueError(
                    f"side must be a multiple of {2 * self.sizes.factor}, twice the pixels of a code, got {self.side}"
                )

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config = config or self.Config()
        self.bottleneck: GumbelSoftmax | FiniteScalar = config.bottleneck.build()
        self.encoder = Encoder(config.sizes, self.bottleneck.num_features)
        self.decoder = Decoder(config.sizes, self.bottleneck.num_values)
        # Convolutions on a CPU take half the time with channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def spec(self) -> CodecSpec:
        """One plane, and a fingerprint of the weights as they are saved, in half precision."""
        bottleneck = self.bottleneck
        plane = Plane(name="image.code", size=bottleneck.num_codes, levels=bottleneck.levels, count=self.num_codes)
        print_of = fingerprint(self._fields(), self._half_state())
        return CodecSpec(modality="image", planes=(plane,), fingerprint=print_of)

    @property
    def side(self) -> int:
        return self.config.side

    @property
    def frame_side(self) -> int:
        return self.config.side // 2

    @property
    def grid(self) -> int:
        """Codes along a side of a picture."""
        return self.config.side // self.config.sizes.factor

    @property
    def num_codes(self) -> int:
        """Of a picture."""
        return self.grid**2

    def forward(
        self,
        pixels: Float[Tensor, "B 3 side side"],
        *,
        temperature: float,
        noise: torch.Generator | None,
        noise_scale: float = 1.0,
    ) -> Decoded:
        """Encode, relax and decode pixels in 0..1 with gradients, for training; see `bottleneck`."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features = self.encoder(map_pixels(pixels))
        relaxed = self.bottleneck.relax(features, temperature=temperature, noise=noise, noise_scale=noise_scale)
        return Decoded(self.decoder(relaxed.values), relaxed.kl)

    def encode(self, part: Image) -> list[int]:
        """The codes of a picture of any size, fitted on a white square."""
        pixels = part.resized(self.side).pixels[None].float() / 255
        return [int(code) for code in self.encode_pixels(pixels)[0]]

    def decode(self, codes: Sequence[int]) -> Image:
        """The picture of `num_codes` codes.

        Raises:
            ValueError: If there are not so many, or one is not in the codebook.
        """
        if len(codes) != self.num_codes:
            raise ValueError(
                f"a picture is {self.num_codes} codes, got {len(codes)}; use decode_partial while it is drawn"
            )
        return _to_image(self.decode_pixels(torch.tensor(codes)[None])[0])

    def decode_partial(self, codes: Sequence[int]) -> Image:
        """The picture so far; what has not come yet is white."""
        whole = torch.tensor(self.encode(_white(self.side)))
        whole[: len(codes)] = torch.tensor(codes, dtype=torch.long)
        pixels = self.decode_pixels(whole[None])[0]
        factor = self.config.sizes.factor
        is_drawn = (torch.arange(self.num_codes) < len(codes)).view(self.grid, self.grid)
        mask = is_drawn.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        return _to_image(torch.where(mask, pixels, torch.ones_like(pixels)))

    def encode_pixels(self, pixels: Float[Tensor, "B 3 side side"]) -> Int[Tensor, "B F"]:
        """Codes of pictures in 0..1; a row's codes do not depend on the rows beside it."""
        return self._codes(pixels, self.side)

    @torch.inference_mode()
    def decode_pixels(self, codes: Int[Tensor, "B F"]) -> Float[Tensor, "B 3 side side"]:
        """Pictures in 0..1 of rows of codes, or frames of rows of a quarter as many.

        Raises:
            ValueError: If a code is not in the codebook, or a row is not a whole square.
        """
        grid = round(codes.shape[1] ** 0.5)
        if codes.shape[1] not in (self.num_codes, self.num_codes // 4):
            raise ValueError(
                f"a row holds {self.num_codes} codes of a picture or {self.num_codes // 4} of a frame, "
                f"got {codes.shape[1]}"
            )
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.bottleneck.num_codes:
            raise ValueError(
                f"codes must lie in 0..{self.bottleneck.num_codes - 1}, got {int(codes.min())}..{int(codes.max())}"
            )
        return likeliest_pixels(self.decoder(self.bottleneck.values(codes.unflatten(1, (grid, grid)))))

    def encode_frames(self, pixels: Float[Tensor, "B 3 frame_side frame_side"]) -> Int[Tensor, "B F"]:
        """Codes of frames of a video in 0..1: a quarter as many as a picture has."""
        return self._codes(pixels, self.frame_side)

    def decode_frames(self, codes: Int[Tensor, "B F"]) -> Float[Tensor, "B 3 frame_side frame_side"]:
        """Frames in 0..1 of rows of codes."""
        return self.decode_pixels(codes)

    def round_weights(self) -> None:
        """Make the weights those that a saved and loaded codec has."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(parameter.half().float())

    def save(self, folder: str | Path) -> None:
        """Write the codec's folder: its configuration, and its weights in half precision."""

        def write(path: Path) -> None:
            (path / CONFIG_FILE).write_text(json.dumps({"kind": KIND, **self._fields()}, indent=1) + "\n")
            save_file(self._half_state(), str(path / MODEL_FILE))

        write_folder(folder, write)

    @classmethod
    def load(cls, folder: str | Path) -> DiscreteVAE:
        """Read a codec's folder.

        Raises:
            ValueError: If the folder is torn, or holds something else.
        """
        read_manifest(folder)
        try:
            fields = json.loads((Path(folder) / CONFIG_FILE).read_text())
            require_kind(folder, fields.pop("kind", None), kind=KIND, name="discrete VAE")
            bottleneck: dict[str, Any] = dict(fields["bottleneck"])
            lists = {name: tuple(value) for name, value in bottleneck.items() if isinstance(value, list)}
            made = _BOTTLENECKS[bottleneck.pop("kind")](**{**bottleneck, **lists})
            sizes = ConvolutionSizes(**fields["sizes"])
            codec = cls(cls.Config(side=fields["side"], sizes=sizes, bottleneck=made))
            state = load_file(str(Path(folder) / MODEL_FILE))
            codec.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        except (FileNotFoundError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{folder} holds no discrete VAE ({error}); give the folder of a trained one") from error
        return codec.eval()

    def _fields(self) -> dict[str, Any]:
        kinds = {config: name for name, config in _BOTTLENECKS.items()}
        fields = asdict(self.config)
        return {**fields, "bottleneck": {"kind": kinds[type(self.config.bottleneck)], **fields["bottleneck"]}}

    def _half_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().half().contiguous() for name, tensor in self.state_dict().items()}

    @torch.inference_mode()
    def _codes(self, pixels: Float[Tensor, "B 3 H W"], side: int) -> Int[Tensor, "B F"]:
        if pixels.shape[1:] != (3, side, side):
            raise ValueError(f"pictures must be of shape (3, {side}, {side}), got {tuple(pixels.shape[1:])}")
        if not len(pixels):
            return torch.zeros(0, (side // self.config.sizes.factor) ** 2, dtype=torch.long)
        rows = map_pixels(pixels.float()).contiguous(memory_format=torch.channels_last).split(1)
        return torch.cat([self.bottleneck.codes(self.encoder(row)).flatten(1) for row in rows])


def _white(side: int) -> Image:
    return Image(torch.full((3, side, side), 255, dtype=torch.uint8))


def _to_image(pixels: Float[Tensor, "3 H W"]) -> Image:
    return Image((pixels.clamp(0, 1) * 255).round().to(torch.uint8))
