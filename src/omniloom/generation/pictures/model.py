"""`PictureModel`: a caption in, so many candidate pictures out.

model = PictureModel.load("runs/dall-e/drawing")
pictures = model.draw("a blue cat", num_pictures=32)

A caption is fed once, whatever the number of its candidates: their rows of the cache begin with the same keys and
values, and all candidates then go on together, a code each at every step. Candidate n of a seed is the same picture in
any batch, to the rounding of matrix products.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.codecs.base import AnyImageCodec
from omniloom.codecs.bundle import load_codec
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import seed_of
from omniloom.generation.sampling import TokenChoice
from omniloom.kernels import sample
from omniloom.models.pictures import PictureStream
from omniloom.models.pictures.saving import CONFIG_FILE, load_network, save_network
from omniloom.stream.parts import Image

KIND = "picture_model"
RUN_PLACE = "drawing/model"
"""Where a run of the recipe `dall-e` has it."""
BATCH_ROWS = 256
"""Candidates that are decoded together: a step of so many takes a few milliseconds on one core."""


class PictureModel:
    """A stream with its two codecs. It does not change, so threads may share it."""

    def __init__(self, stream: PictureStream, text: TextCodec, image: AnyImageCodec) -> None:
        """
        Raises:
            ValueError: If the stream was not made for these codecs' vocabularies.
        """
        [*planes] = image.spec.planes
        c = stream.config
        found = (text.vocab_size, [(plane.size, plane.count) for plane in planes])
        if found != (c.text_vocabulary, [(c.image_vocabulary, c.num_codes)]):
            raise ValueError(
                f"the stream takes {c.text_vocabulary} tokens and {c.num_codes} codes of {c.image_vocabulary}, these "
                f"codecs have {found[0]} and {found[1]}; give the codecs that it was trained with"
            )
        self.stream, self.text, self.image = stream.eval(), text, image

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of the codecs that the stream was trained with."""
        return {"text": self.text.spec.fingerprint, "image": self.image.spec.fingerprint}

    def tokens(self, caption: str) -> list[int]:
        """The caption's places, padded.

        Raises:
            ValueError: If it is empty, or has more tokens than there are places.
        """
        if not caption.strip():
            raise ValueError("the caption is empty; say what to draw")
        return self.stream.pad(self.text.encode_text(caption.strip().lower()))

    def draw(
        self, caption: str, *, num_pictures: int = 1, choice: TokenChoice = TokenChoice(temperature=1.0), seed: int = 0
    ) -> list[Image]:
        """Candidates for a caption, in the order of their numbers.

        Raises:
            ValueError: If there is to be no picture, all would be the same, or the caption is empty or too long.
        """
        [codes] = self.draw_codes([caption], num_pictures=num_pictures, choice=choice, seed=seed)
        return [self.image.decode([int(code) for code in row]) for row in codes]

    @torch.inference_mode()
    def draw_codes(
        self,
        captions: Sequence[str],
        *,
        num_pictures: int,
        choice: TokenChoice = TokenChoice(temperature=1.0),
        seed: int = 0,
    ) -> Int[Tensor, "C N F"]:
        """Codes of candidates for each caption; several captions are decoded together, many candidates in parts.

        Raises:
            ValueError: If there is to be no picture, all would be the same, or a caption is empty or too long.
        """
        if num_pictures < 1:
            raise ValueError(f"the number of pictures must be at least 1, got {num_pictures}")
        if num_pictures > 1 and choice.temperature == 0:
            raise ValueError(f"at temperature 0 all {num_pictures} pictures are the same; give a temperature above 0")
        tokens = [self.tokens(caption) for caption in captions]
        per_batch = max(1, BATCH_ROWS // num_pictures)
        parts = []
        for start in range(0, len(tokens), per_batch):
            own = slice(start, start + per_batch)
            drawn = [
                self._drawn(
                    tokens[own], captions[own], range(first, min(first + BATCH_ROWS, num_pictures)), choice, seed
                )
                for first in range(0, num_pictures, BATCH_ROWS)
            ]
            parts.append(torch.cat(drawn, dim=1))
        return torch.cat(parts)

    def _drawn(
        self, tokens: list[list[int]], captions: Sequence[str], numbers: range, choice: TokenChoice, seed: int
    ) -> Int[Tensor, "C N F"]:
        c = self.stream.config
        cache = SharedPrefixCache(self.stream, num_prompts=len(tokens))
        states = self.stream.run(self.stream.embed(torch.tensor(tokens), None), cache=cache)[:, -1]
        cache.share(len(numbers))
        states = states.repeat_interleave(len(numbers), dim=0)
        seeds = torch.tensor([seed_of("picture", seed, caption, number) for caption in captions for number in numbers])
        codes = torch.empty(len(states), c.num_codes, dtype=torch.long)
        for place in range(c.num_codes):
            codes[:, place] = _picked(self.stream.image_head(states).float(), choice, seeds, place)
            if place + 1 < c.num_codes:
                x = self.stream.embed(None, codes[:, place : place + 1], first_code=place)
                states = self.stream.run(x, first=c.text_length + 1 + place, cache=cache)[:, 0]
        return codes.unflatten(0, (len(tokens), len(numbers)))

    def save(self, folder: str | Path) -> None:
        """Write the folder, with both codecs in it."""

        def codecs(path: Path) -> None:
            self.text.save(path / "text")
            self.image.save(path / "image")

        save_network(folder, self.stream, kind=KIND, facts={"codecs": self.fingerprints}, also=codecs)

    @classmethod
    def load(cls, folder: str | Path) -> PictureModel:
        """Read a folder.

        Raises:
            ValueError: If it is torn, holds something else, or a codec that the stream was not trained with.
        """
        stream, facts = load_network(folder, PictureStream, kind=KIND)
        model = cls(stream, load_codec(Path(folder) / "text", "text"), load_codec(Path(folder) / "image", "image"))
        for modality, fingerprint in model.fingerprints.items():
            if fingerprint != facts["codecs"][modality]:
                raise ValueError(
                    f"{folder} was trained with the {modality} codec {facts['codecs'][modality]}, the one in it is "
                    f"{fingerprint}; put its own back"
                )
        return model


def find_picture_model(folder: str | Path) -> Path | None:
    """The picture model's folder: the one given, or where a `dall-e` run has it in there; None where there is none."""
    return next((place for place in (Path(folder), Path(folder) / RUN_PLACE) if is_picture_model(place)), None)


def is_picture_model(folder: str | Path) -> bool:
    """Whether a folder says that it holds one; nothing else of it is read."""
    try:
        fields: Any = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("kind") == KIND


class SharedPrefixCache:
    """Keys and values of each prompt once, then of every candidate of it."""

    def __init__(self, stream: PictureStream, *, num_prompts: int) -> None:
        c = stream.config
        heads = (c.num_layers, num_prompts, c.num_heads, c.num_positions, c.width // c.num_heads)
        self._keys, self._values = torch.empty(heads), torch.empty(heads)
        self._lengths = [0] * c.num_layers

    def share(self, num_pictures: int) -> None:
        """Give each prompt so many rows, which begin alike."""
        self._keys = self._keys.repeat_interleave(num_pictures, dim=1)
        self._values = self._values.repeat_interleave(num_pictures, dim=1)

    def extend(
        self, layer: int, key: Float[Tensor, "B G T E"], value: Float[Tensor, "B G T E"]
    ) -> tuple[Float[Tensor, "B G S E"], Float[Tensor, "B G S E"]]:
        """Store the new positions of a layer and return all of it."""
        start = self._lengths[layer]
        stop = self._lengths[layer] = start + key.shape[2]
        self._keys[layer, :, :, start:stop], self._values[layer, :, :, start:stop] = key, value
        return self._keys[layer, :, :, :stop], self._values[layer, :, :, :stop]


def _picked(
    logits: Float[Tensor, "B V"], choice: TokenChoice, seeds: Int[Tensor, " B"], place: int
) -> Int[Tensor, " B"]:
    if choice.is_greedy:
        return logits.argmax(dim=-1)
    return sample(
        logits.contiguous(),
        seed=seeds,
        counter=place,
        temperature=choice.temperature,
        top_k=min(choice.top_k or 0, logits.shape[-1]),
        top_p=choice.top_p,
        min_p=choice.min_p,
    )
