"""The codecs of what a model does not know: a model of text alone has these in place of sound and pictures.

A checkpoint, a vocabulary and a codec set always hold three codecs, so that all that serves, saves and folds them
reads one shape. A modality that is not known takes a single id, which nothing can become and which stands for nothing:
whoever gives such a part is told so, and a reply of that kind is refused (`stream.grammar`). Rejected: codecs that may
be None, which every user of a codec set would have to ask about, and the shipped codecs unused, whose ids cost a small
model of text more rows than its text has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from omniloom.codecs.frames import FrameCodec
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, kind_of, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.stream.parts import Image
from omniloom.stream.vocabulary import CodecSpec, Modality, absent_spec

NO_AUDIO, NO_IMAGE = "no_audio", "no_image"

C = TypeVar("C", "NoAudio", "NoImage")


@codec_kinds.register(NO_AUDIO)
class NoAudio(FrameCodec[None, None]):
    """In place of an audio codec."""

    rate_hz = 8000
    samples_per_frame = 160
    codebook_sizes = (1,)

    @property
    def spec(self) -> CodecSpec:
        return absent_spec("audio")

    def encode_piece(self, samples: Float[Tensor, "B N"], state: None) -> NoReturn:
        _refuse("audio")

    def decode_piece(self, codes: Int[Tensor, "B F Q"], state: None) -> NoReturn:
        _refuse("audio")

    def save(self, folder: str | Path) -> None:
        _save(folder, NO_AUDIO)

    @classmethod
    def load(cls, folder: str | Path) -> NoAudio:
        """Raises ValueError if the folder is torn or holds something else."""
        return _load(cls, folder, kind=NO_AUDIO, modality="audio")


@codec_kinds.register(NO_IMAGE)
class NoImage:
    """In place of an image codec."""

    side = frame_side = 1
    block_grid = 0

    @property
    def spec(self) -> CodecSpec:
        return absent_spec("image")

    def encode(self, part: Image) -> list[int]:
        _refuse("image")

    def decode(self, codes: Sequence[int]) -> Image:
        _refuse("image")

    def decode_partial(self, codes: Sequence[int]) -> Image:
        _refuse("image")

    def encode_pixels(self, pixels: Float[Tensor, "B 3 side side"]) -> Int[Tensor, "B F"]:
        _refuse("image")

    def encode_frames(self, pixels: Float[Tensor, "B 3 frame_side frame_side"]) -> Int[Tensor, "B F"]:
        _refuse("image")

    def decode_frames(self, codes: Int[Tensor, "B F"]) -> Float[Tensor, "B 3 frame_side frame_side"]:
        _refuse("image")

    def save(self, folder: str | Path) -> None:
        _save(folder, NO_IMAGE)

    @classmethod
    def load(cls, folder: str | Path) -> NoImage:
        """Raises ValueError if the folder is torn or holds something else."""
        return _load(cls, folder, kind=NO_IMAGE, modality="image")


def _refuse(modality: Modality) -> NoReturn:
    raise ValueError(f"this model knows no {modality}; give it text, or use a model that was trained with {modality}")


def _save(folder: str | Path, kind: str) -> None:
    write_folder(folder, lambda path: (path / CONFIG_FILE).write_text(json.dumps({"kind": kind}) + "\n"))


def _load(codec: type[C], folder: str | Path, *, kind: str, modality: Modality) -> C:
    read_manifest(folder)
    require_kind(folder, kind_of(folder, modality), kind=kind, name=f"codec of absent {modality}")
    return codec()
