"""What every codec offers: a part to integer codes and back.

Codes are element numbers with the plane offsets already added (see `stream.vocabulary`). A codec's fingerprint is a
digest of its configuration and of the weights that decide what a code stands for. A codec of one's own has what the
class of its modality below has, besides `load`, a class method that reads the folder that `save` wrote; sound is least
work, for `frames.FrameCodec` does most of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from omniloom.stream.parts import Audio, Image, Text
from omniloom.stream.vocabulary import CodecSpec

P = TypeVar("P")


class Codec(Protocol[P]):
    """A part to codes and back."""

    @property
    def spec(self) -> CodecSpec: ...

    def encode(self, part: P) -> list[int]: ...

    def decode(self, codes: Sequence[int]) -> P: ...


class SavedCodec(Codec[P], Protocol[P]):
    """A codec that a model can be trained with: it is kept in the model's folder."""

    def save(self, folder: str | Path) -> None:
        """Write a folder whose config.json names the `kind` that the class is registered under."""


class TextDecoding(Protocol):
    """Characters as their codes arrive."""

    def push(self, code: int) -> str: ...

    def flush(self) -> str: ...


class AnyTextCodec(SavedCodec[Text], Protocol):
    """Text: one plane with `count` 0."""

    @property
    def token_bytes(self) -> Sequence[bytes]:
        """What each code stands for; a character may be cut in two, and an unused code stands for nothing."""

    def encode_text(self, text: str) -> list[int]: ...

    def decode_text(self, codes: Sequence[int]) -> str:
        """As `decode`, where nothing visible may come out."""

    def stream(self) -> TextDecoding: ...


class AudioEncoding(Protocol):
    """Codes as sound arrives."""

    def push(self, samples: Float[Tensor, " N"]) -> list[int]: ...

    def flush(self) -> list[int]: ...


class AudioDecoding(Protocol):
    """Sound as codes arrive."""

    def push(self, codes: Sequence[int]) -> Float[Tensor, " N"]: ...


class AnyAudioCodec(SavedCodec[Audio], Protocol):
    """Sound: frames of one code a plane. Streamed codes equal those of the whole; a frame gives its sound at once."""

    @property
    def rate_hz(self) -> int: ...

    @property
    def samples_per_frame(self) -> int: ...

    def encode_samples(self, samples: Float[Tensor, "B N"]) -> Int[Tensor, "B F Q"]:
        """Codes from 0 in each plane; a row's do not depend on what stands beside it or comes after."""

    def encoder_stream(self) -> AudioEncoding: ...

    def decoder_stream(self) -> AudioDecoding: ...


class AnyImageCodec(SavedCodec[Image], Protocol):
    """Pictures: all planes once, `count` elements of each."""

    @property
    def side(self) -> int:
        """Pictures are fitted on a white square of so many pixels."""

    @property
    def block_grid(self) -> int:
        """The picture as so many blocks a side, row by row, each a position; their codes come first. 0 for none."""

    def encode_pixels(self, pixels: Float[Tensor, "B 3 side side"]) -> Int[Tensor, "B F"]:
        """The codes of pictures in 0..1, with the plane offsets."""

    def decode_partial(self, codes: Sequence[int]) -> Image:
        """The picture so far, from its first codes in the order of the stream (`CodecSpec.in_groups`)."""

    @property
    def frame_side(self) -> int:
        """Frames of a video are fitted on a white square of so many pixels."""

    def encode_frames(self, pixels: Float[Tensor, "B 3 frame_side frame_side"]) -> Int[Tensor, "B F"]:
        """The codes of frames in 0..1, with the plane offsets: all planes once, with fewer elements of each."""

    def decode_frames(self, codes: Int[Tensor, "B F"]) -> Float[Tensor, "B 3 frame_side frame_side"]:
        """Frames in 0..1 of rows of codes."""


def fingerprint(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that change with any configuration field or weight."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(name.encode())
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()[:16]
