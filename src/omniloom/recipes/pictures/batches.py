"""The pictures and captions that each stage learns from; a batch is a function of its number and the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from omniloom.codecs.image.dvae import DiscreteVAE
from omniloom.codecs.text import TextCodec
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.core.progress import Progress
from omniloom.core.randomness import generator, torch_generator
from omniloom.data.emoji.coloured import TINTS, ColouredEmoji, caption, render_coloured
from omniloom.generation.rerank.reranker import tokens_of
from omniloom.models.pictures import PictureStream
from omniloom.training.pictures import CaptionedBatch, LabelledBatch, PictureBatch, StreamBatch


def rendered(items: list[ColouredEmoji], random: np.random.Generator | None) -> Float[Tensor, "B 3 side side"]:
    """Pictures in 0..1."""
    return torch.stack([render_coloured(item, random).pixels for item in items]).float() / 255


class PictureBatches:
    """Pictures for a codec."""

    def __init__(self, items: list[ColouredEmoji], *, num_rows: int, seed: int) -> None:
        self.items, self.num_rows, self.seed = items, num_rows, seed

    def batch(self, step: int) -> PictureBatch:
        random = generator("codec pictures", self.seed, step)
        chosen = [self.items[int(place)] for place in random.integers(len(self.items), size=self.num_rows)]
        return PictureBatch(rendered(chosen, random), step)


def prepare_codes(
    folder: Path, items: list[ColouredEmoji], codec: DiscreteVAE, *, num_renderings: int, seed: int
) -> Int[Tensor, "I R F"]:
    """Codes of so many renderings of each item, made once and kept in `folder` under the codec's fingerprint.

    Raises:
        ValueError: If the folder's were made by another codec, or it is torn.
    """
    if folder.exists():
        read_manifest(folder)
        if (found := (folder / "codec.txt").read_text()) != codec.spec.fingerprint:
            raise ValueError(
                f"{folder} holds codes of the codec {found}, not of {codec.spec.fingerprint}; delete that folder"
            )
        return load_file(str(folder / "codes.safetensors"))["codes"].long()
    rows = []
    with Progress("pictures to codes", total=len(items), unit="picture") as progress:
        for number, item in enumerate(items):
            random = generator("stream pictures", seed, number)
            rows.append(codec.encode_pixels(rendered([item] * num_renderings, random)))
            progress.advance(1)
    codes = torch.stack(rows)

    def write(path: Path) -> None:
        (path / "codec.txt").write_text(codec.spec.fingerprint)
        save_file({"codes": codes.to(torch.int16).contiguous()}, str(path / "codes.safetensors"))

    write_folder(folder, write)
    return codes


class StreamBatches:
    """Captions and codes; an eighth of the captions are other words than the canonical ones."""

    def __init__(
        self,
        items: list[ColouredEmoji],
        codes: Int[Tensor, "I R F"],
        stream: PictureStream,
        text: TextCodec,
        *,
        num_rows: int,
        seed: int,
    ) -> None:
        self.items, self.codes, self.stream, self.text = items, codes, stream, text
        self.num_rows, self.seed = num_rows, seed

    def batch(self, step: int) -> StreamBatch:
        random = generator("stream batch", self.seed, step)
        places = random.integers(len(self.items), size=self.num_rows)
        renderings = random.integers(self.codes.shape[1], size=self.num_rows)
        captions = [caption(self.items[int(place)], random) for place in places]
        text = torch.tensor([self.stream.pad(self.text.encode_text(words)) for words in captions])
        return StreamBatch(text, self.codes[torch.from_numpy(places), torch.from_numpy(renderings)])


class CaptionedBatches:
    """Pairs of pictures and captions, two tints of each object, so that neither words nor shapes alone tell them apart.

    Half of the batches are of pictures as the codec gives them back, for those are what will be ranked.
    """

    def __init__(
        self,
        items: list[ColouredEmoji],
        text: TextCodec,
        codec: DiscreteVAE | None,
        *,
        num_rows: int,
        text_length: int,
        seed: int,
    ) -> None:
        self.text, self.codec, self.num_rows, self.text_length, self.seed = text, codec, num_rows, text_length, seed
        self.of_name: dict[str, list[ColouredEmoji]] = {}
        for item in items:
            self.of_name.setdefault(item.name, []).append(item)
        self.numbers = {item: number for number, item in enumerate(items)}

    def batch(self, step: int) -> CaptionedBatch:
        random = generator("captioned", self.seed, step)
        names = list(self.of_name)
        chosen: list[ColouredEmoji] = []
        for place in random.permutation(len(names))[: self.num_rows // 2]:
            tints = self.of_name[names[int(place)]]
            chosen += [tints[int(tint)] for tint in random.permutation(len(tints))[:2]]
        pixels = rendered(chosen, random)
        if self.codec is not None and step % 2:
            pixels = self.codec.decode_pixels(self.codec.encode_pixels(pixels)).clone()
        tokens, is_text = tokens_of([caption(item, random) for item in chosen], self.text, self.text_length)
        return CaptionedBatch(pixels, tokens, is_text, torch.tensor([self.numbers[item] for item in chosen]))


class LabelledBatches:
    """Pictures with their colour's and object's numbers, blurred and noisy by chance; no codec has a part in them."""

    def __init__(self, items: list[ColouredEmoji], names: tuple[str, ...], *, num_rows: int, seed: int) -> None:
        self.items, self.names, self.num_rows, self.seed = items, names, num_rows, seed

    def batch(self, step: int) -> LabelledBatch:
        random = generator("classifier", self.seed, step)
        chosen = [self.items[int(place)] for place in random.integers(len(self.items), size=self.num_rows)]
        pixels = roughened(rendered(chosen, random), torch_generator("roughened", self.seed, step))
        colours = torch.tensor([TINTS.index(item.tint) for item in chosen])
        return LabelledBatch(pixels, colours, torch.tensor([self.names.index(item.name) for item in chosen]))


def roughened(pixels: Float[Tensor, "B 3 H W"], random: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    """Each picture somewhere between itself and a blurred one, and with noise, from none to much of both."""
    blur, noise = torch.rand(2, len(pixels), 1, 1, 1, generator=random)
    smooth = torch.nn.functional.avg_pool2d(pixels, 3, stride=1, padding=1, count_include_pad=False)
    mixed = blur * smooth + (1 - blur) * pixels
    return (mixed + 0.15 * noise * torch.randn(pixels.shape, generator=random)).clamp(0, 1)
