"""What audio codecs have in common: sound cut into frames, one code of every codebook for each, frame after frame.

A codec says how a piece of sound becomes codes and codes become a piece of sound, each with the state that the next
piece needs. Everything else follows from those two: the whole is one long piece, a stream many short ones, and codes
are laid out frame by frame, each codebook's numbered after the last one's.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate, cycle
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from omniloom.stream.parts import Audio
from omniloom.stream.vocabulary import CodecSpec, Plane

E = TypeVar("E")
D = TypeVar("D")


class FrameCodec(ABC, Generic[E, D]):
    """Sound to codes and back, whole and streaming. A subclass gives the attributes and the abstract methods.

    `E` and `D` are the states of encoding and decoding, None before the first piece. Both directions must be causal:
    what a frame becomes depends on it and on those before it, never on how the sound was cut or batched.
    """

    rate_hz: int
    samples_per_frame: int
    codebook_sizes: tuple[int, ...]

    @property
    @abstractmethod
    def spec(self) -> CodecSpec:
        """Planes and fingerprint; `frame_spec` makes it."""

    @abstractmethod
    def encode_piece(self, samples: Float[Tensor, "B N"], state: E | None) -> tuple[Int[Tensor, "B F Q"], E]:
        """The codes, from 0 in each codebook, of whole frames of sound at `rate_hz`."""

    @abstractmethod
    def decode_piece(self, codes: Int[Tensor, "B F Q"], state: D | None) -> tuple[Float[Tensor, "B N"], D]:
        """`samples_per_frame` samples for each frame."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the codec's folder, whose config.json has the `kind` that the codec is registered under."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> Any:
        """Read what `save` wrote; ValueError if it is torn or holds something else."""

    @property
    def device(self) -> torch.device:
        """Where samples and codes are sent."""
        return torch.device("cpu")

    @torch.no_grad()
    def encode_samples(self, samples: Float[Tensor, "B N"]) -> Int[Tensor, "B F Q"]:
        """The codes of each codebook of each frame; an unfinished last frame is filled with silence."""
        missing = -samples.shape[-1] % self.samples_per_frame
        return self.encode_piece(F.pad(samples, (0, missing)).to(self.device), None)[0]

    @torch.no_grad()
    def decode_frames(self, codes: Int[Tensor, "B F Q"]) -> Float[Tensor, "B N"]:
        """The sound of frames of codes, numbered from 0 in each codebook."""
        return self.decode_piece(codes, None)[0]

    def encode(self, part: Audio) -> list[int]:
        """Codes of a sound at any rate, frame by frame, each codebook's numbered after the last one's."""
        samples = part.resampled(self.rate_hz).samples
        return self.interleaved(self.encode_samples(samples[None])[0])

    def decode(self, codes: Sequence[int]) -> Audio:
        """The sound of codes as `encode` gives them.

        Raises:
            ValueError: If there are none, a frame is unfinished, or the codebooks do not take turns.
        """
        if not codes:
            raise ValueError("codes are empty; an audio part holds at least one frame")
        samples = self.decode_frames(self.frames(codes)[None])[0]
        return Audio(samples.clamp(-1, 1).cpu(), self.rate_hz)

    def encoder_stream(self) -> AudioEncoderStream:
        """An encoder that takes sound at `rate_hz` piece by piece."""
        return AudioEncoderStream(self)

    def decoder_stream(self) -> AudioDecoderStream:
        """A decoder that takes codes frame by frame."""
        return AudioDecoderStream(self)

    def interleaved(self, codes: Int[Tensor, "F Q"]) -> list[int]:
        """Frames of codes in a row, as the stream holds them."""
        starts = _starts(self.codebook_sizes)
        return [code + start for frame in codes.tolist() for code, start in zip(frame, starts, strict=True)]

    def frames(self, codes: Sequence[int]) -> Int[Tensor, "F Q"]:
        """What `interleaved` was made from."""
        sizes, starts = self.codebook_sizes, _starts(self.codebook_sizes)
        num_books = len(sizes)
        if len(codes) % num_books:
            raise ValueError(f"audio codes come {num_books} a frame, got {len(codes)}: the last frame is unfinished")
        found = []
        for place, (code, first, size) in enumerate(zip(codes, cycle(starts), cycle(sizes), strict=False)):
            if not first <= code < first + size:
                raise ValueError(f"audio code {code} at place {place} must lie in {first}..{first + size - 1}")
            found.append(code - first)
        return torch.tensor(found, dtype=torch.long).view(-1, num_books).to(self.device)


class AudioEncoderStream:
    """Sound in pieces of any size to codes, equal to those of the whole."""

    def __init__(self, codec: FrameCodec[Any, Any]) -> None:
        self._codec = codec
        self._waiting: list[Tensor] = []
        self._num_waiting = 0
        self._state: Any = None

    @torch.no_grad()
    def push(self, samples: Float[Tensor, " N"]) -> list[int]:
        """The codes of frames that these samples, at the codec's rate, complete."""
        self._waiting.append(samples.to(self._codec.device))
        self._num_waiting += samples.numel()
        num_whole = self._num_waiting // self._codec.samples_per_frame * self._codec.samples_per_frame
        if not num_whole:
            return []
        joined = torch.cat(self._waiting)
        self._waiting, self._num_waiting = [joined[num_whole:]], joined.numel() - num_whole
        codes, self._state = self._codec.encode_piece(joined[None, :num_whole], self._state)
        return self._codec.interleaved(codes[0])

    def flush(self) -> list[int]:
        """The codes of the unfinished frame, filled with silence; the stream then stands at its end."""
        missing = -self._num_waiting % self._codec.samples_per_frame
        return self.push(torch.zeros(missing)) if missing else []


class AudioDecoderStream:
    """Codes frame by frame to sound, equal to that of the whole."""

    def __init__(self, codec: FrameCodec[Any, Any]) -> None:
        self._codec = codec
        self._waiting: list[int] = []
        self._state: Any = None

    @torch.no_grad()
    def push(self, codes: Sequence[int]) -> Float[Tensor, " N"]:
        """The samples of the frames that these codes complete; an unfinished frame waits for its rest."""
        self._waiting += codes
        num_codebooks = len(self._codec.codebook_sizes)
        num_whole = len(self._waiting) // num_codebooks * num_codebooks
        if not num_whole:
            return torch.zeros(0)
        frames = self._codec.frames(self._waiting[:num_whole])
        self._waiting = self._waiting[num_whole:]
        samples, self._state = self._codec.decode_piece(frames[None], self._state)
        return samples[0].clamp(-1, 1).cpu()


@functools.cache
def _starts(codebook_sizes: tuple[int, ...]) -> tuple[int, ...]:
    return 0, *accumulate(codebook_sizes[:-1])


def frame_spec(
    codebook_sizes: Sequence[int],
    *,
    fingerprint: str,
    levels: tuple[int, ...] = (),
    slot_cycle: int | None = None,
    folds: bool = False,
    folds_replies: bool = False,
) -> CodecSpec:
    """The spec of an audio codec: a plane for each codebook, one element of each a frame.

    `levels` are those of the finite scalar quantizer behind every codebook, if there is one. Slots tell the codebook
    however long the sound, unless `slot_cycle` says otherwise. With `folds` a model that hears takes a frame's codes as
    one position; a codec that models know already must not start to. With `folds_replies` too, one that speaks predicts
    them together, which is for codebooks of which none refines another.
    """
    planes = tuple(
        Plane(name=f"audio.{book}", size=size, levels=levels, count=1) for book, size in enumerate(codebook_sizes)
    )
    cycle = len(planes) if slot_cycle is None else slot_cycle
    groups = (tuple(range(len(planes))),) if folds else ()
    return CodecSpec(
        modality="audio",
        planes=planes,
        fingerprint=fingerprint,
        slot_cycle=cycle,
        groups=groups,
        folds_replies=folds_replies,
    )
