"""`Reranker`: how well pictures fit a caption, by vectors of both (Ramesh et al. 2021, section 2.6; CLIP).

It knows the captions of the world that it was trained on and nothing beyond; scores of one caption's pictures may be
compared with one another, those of different captions only with care.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.codecs.base import fingerprint
from omniloom.codecs.bundle import load_codec
from omniloom.codecs.text import TextCodec
from omniloom.models.pictures import Contrastive
from omniloom.models.pictures.saving import load_network, save_network
from omniloom.stream.parts import Image

KIND = "reranker"


class Reranker:
    """A contrastive network with the text codec that it reads by."""

    def __init__(self, network: Contrastive, text: TextCodec) -> None:
        """
        Raises:
            ValueError: If the network was made for another vocabulary.
        """
        if text.vocab_size != network.config.text_vocabulary:
            raise ValueError(
                f"the reranker reads {network.config.text_vocabulary} tokens, this text codec has {text.vocab_size}; "
                "give the one that it was trained with"
            )
        self.network, self.text = network.eval(), text

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that change with the weights, or with the vocabulary."""
        return fingerprint({"text": self.text.spec.fingerprint}, self.network.state_dict())

    @torch.inference_mode()
    def scores(self, caption: str, images: Sequence[Image]) -> Float[Tensor, " N"]:
        """Cosines of each picture with the caption, from -1 to 1.

        Raises:
            ValueError: If there is no picture, or the caption is empty or has too many tokens.
        """
        if not images:
            raise ValueError("there is no picture to score; give at least one")
        tokens, is_text = tokens_of([caption], self.text, self.network.config.text_length)
        return self.image_vectors(images) @ self.network.text_vectors(tokens, is_text)[0]

    @torch.inference_mode()
    def image_vectors(self, images: Sequence[Image]) -> Float[Tensor, "N space"]:
        """Vectors of length 1 of pictures of any size."""
        side = self.network.config.side
        pixels = torch.stack([image.resized(side).pixels for image in images]).float() / 255
        return torch.cat([self.network.image_vectors(part) for part in pixels.split(256)])

    def save(self, folder: str | Path) -> None:
        """Write the folder, with its text codec in it."""
        facts = {"text": self.text.spec.fingerprint}
        save_network(folder, self.network, kind=KIND, facts=facts, also=lambda path: self.text.save(path / "text"))

    @classmethod
    def load(cls, folder: str | Path) -> Reranker:
        """Read a folder.

        Raises:
            ValueError: If it is torn, holds something else, or a text codec that it was not trained with.
        """
        network, facts = load_network(folder, Contrastive, kind=KIND)
        text = load_codec(Path(folder) / "text", "text")
        if text.spec.fingerprint != facts["text"]:
            raise ValueError(
                f"{folder} was trained with the text codec {facts['text']}, the one in it is {text.spec.fingerprint}; "
                "put its own back"
            )
        return cls(network, text)


def tokens_of(
    captions: Sequence[str], text: TextCodec, text_length: int
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Captions as rows of tokens, filled up with zeros, and which of them are text.

    Raises:
        ValueError: If one is empty or has more than `text_length` tokens.
    """
    rows = [text.encode_text(caption.strip().lower()) for caption in captions]
    for row in rows:
        if not 1 <= len(row) <= text_length:
            raise ValueError(f"a caption has 1 to {text_length} tokens, this one has {len(row)}; make it shorter")
    length = max(len(row) for row in rows)
    tokens = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    is_text = torch.arange(length) < torch.tensor([len(row) for row in rows])[:, None]
    return tokens, is_text
