"""The parts of a message: text, audio and image, as plain values.

A part is what a user has in hand before any codec: characters, samples, pixels. Files are read here and nowhere
else, so every limit on what a file may hold, and the error that names it, lives in this one place. soundfile reads
audio and Pillow reads pictures; both are handed bytes, never a path from the network.
"""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from jaxtyping import Float32, UInt8
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from torch import Tensor

MAX_AUDIO_S = 60.0
"""Longest audio that one part may hold; at 50 tokens a second it already fills any context we train."""

MAX_CHANNELS = 8
"""Most channels that are averaged, those of surround sound; a file may claim a thousand, all decoded at once."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000

MAX_FILE_BYTES = 96_000_000
"""Largest file that is read: a minute of 32-bit stereo at 192 kHz is 92 MB, a bitmap at the pixel limit 64 MB."""

MAX_IMAGE_PIXELS = 16_000_000
"""Largest picture that is decoded; refused from its header alone, before memory is spent on it."""

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""Pillow's readers that may be reached; it has dozens, and some (EPS) run other programs."""


@dataclass(frozen=True)
class Text:
    """Written words; may not be empty."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text is empty; give at least one visible character")


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: float32 `samples` (N,) in [-1, 1] at `rate_hz` samples a second."""

    samples: Float32[Tensor, " N"]
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != torch.float32:
            raise ValueError(
                f"audio samples must be float32 of shape (N,), got {self.samples.dtype} of shape "
                f"{tuple(self.samples.shape)}; mix channels down and convert first"
            )
        _require_rate("audio", self.rate_hz)
        if self.samples.numel() == 0:
            raise ValueError("audio holds no samples; record at least one frame")
        _require_short("audio", self.duration_s)
        if not bool(torch.isfinite(self.samples).all()):
            raise ValueError("audio holds NaN or infinite samples; check how it was decoded")

    @classmethod
    def open(cls, source: str | Path | bytes) -> Audio:
        """Read a sound file (WAV, FLAC, MP3, Ogg) from a path or from its bytes; channels are averaged.

        Raises:
            ValueError: If it cannot be decoded, is empty, has more than `MAX_CHANNELS` or a rate out of bounds, lasts
                longer than `MAX_AUDIO_S`, or is a file of more than `MAX_FILE_BYTES`.
            FileNotFoundError: If there is no such file.
        """
        name = "the given bytes" if isinstance(source, bytes) else str(source)
        data = _read(source, name)
        try:
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                _require_rate(name, file.samplerate)
                _require_few_channels(name, file.channels)
                _require_short(name, file.frames / file.samplerate)
                samples = file.read(dtype="float32", always_2d=True)
                rate_hz = file.samplerate
        except soundfile.SoundFileError as error:
            remedy = "use WAV, FLAC, MP3 or Ogg"
            raise ValueError(f"{name} is not a sound file that can be read ({error}); {remedy}") from error
        if samples.shape[0] == 0:
            raise ValueError(f"{name} holds no samples; record at least one frame")
        return cls(torch.from_numpy(np.ascontiguousarray(samples.mean(axis=1))), rate_hz)

    @property
    def duration_s(self) -> float:
        return self.samples.numel() / self.rate_hz

    def resampled(self, rate_hz: int) -> Audio:
        """The same sound at another rate (soxr, high quality)."""
        if rate_hz == self.rate_hz:
            return self
        samples = soxr.resample(self.samples.numpy(), self.rate_hz, rate_hz).astype(np.float32)
        if samples.size == 0:
            raise ValueError(f"audio of {self.samples.numel()} samples is too short to resample to {rate_hz} Hz")
        return Audio(torch.from_numpy(samples), rate_hz)

    def to_bytes(self, format: str = "WAV") -> bytes:
        """The sound as a file's bytes, in any format soundfile writes; 16 bits where the format asks."""
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples.clamp(-1, 1).numpy(), self.rate_hz, format=format)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write a sound file; the suffix names the format (.wav, .flac, .mp3, .ogg)."""
        suffix = Path(path).suffix.lstrip(".").upper()
        if suffix not in soundfile.available_formats():
            raise ValueError(f"{path} has no sound format in its name; end it with .wav, .flac, .mp3 or .ogg")
        Path(path).write_bytes(self.to_bytes(suffix))


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: uint8 `pixels` (3, height, width), red, green, blue."""

    pixels: UInt8[Tensor, "3 height width"]

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 3 or self.pixels.shape[0] != 3:
            raise ValueError(
                f"image pixels must be uint8 of shape (3, height, width), got {self.pixels.dtype} of shape "
                f"{tuple(self.pixels.shape)}"
            )
        if self.pixels.numel() == 0:
            raise ValueError(f"image is empty: its shape is {tuple(self.pixels.shape)}")

    @classmethod
    def open(cls, source: str | Path | bytes) -> Image:
        """Read a picture from a path or from its bytes; what is transparent becomes white.

        Raises:
            ValueError: If it cannot be decoded, is cut short, has more than `MAX_IMAGE_PIXELS`, or is a file of more
                than `MAX_FILE_BYTES`.
            FileNotFoundError: If there is no such file.
        """
        name = "the given bytes" if isinstance(source, bytes) else str(source)
        data = _read(source, name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)  # our own limit is lower
                picture = PillowImage.open(io.BytesIO(data), formats=IMAGE_FORMATS)
            if picture.width * picture.height > MAX_IMAGE_PIXELS:
                raise ValueError(
                    f"{name} has {picture.width} x {picture.height} pixels, at most {MAX_IMAGE_PIXELS:,} are taken; "
                    "make it smaller first"
                )
            picture.load()
        except (UnidentifiedImageError, PillowImage.DecompressionBombError, OSError, SyntaxError) as error:
            remedy = "use PNG, JPEG, WebP, GIF or BMP"
            raise ValueError(f"{name} is not a picture that can be read ({error}); {remedy}") from error
        return cls.from_pillow(picture)

    @classmethod
    def from_pillow(cls, picture: PillowImage.Image) -> Image:
        """The picture on white paper, as RGB."""
        colour = picture.convert("RGBA")
        paper = PillowImage.new("RGBA", colour.size, "white")
        flat = PillowImage.alpha_composite(paper, colour).convert("RGB")
        return cls(torch.from_numpy(np.array(flat)).permute(2, 0, 1).contiguous())

    def to_pillow(self) -> PillowImage.Image:
        return PillowImage.fromarray(self.pixels.permute(1, 2, 0).numpy())

    def resized(self, side: int) -> Image:
        """The whole picture fitted on a white square of `side` pixels (Lanczos)."""
        if self.pixels.shape[1:] == (side, side):
            return self
        picture = self.to_pillow()
        scale = side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        square = PillowImage.new("RGB", (side, side), "white")
        fitted = picture.resize(size, PillowImage.Resampling.LANCZOS)
        square.paste(fitted, ((side - size[0]) // 2, (side - size[1]) // 2))
        return Image.from_pillow(square)

    def to_bytes(self, format: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        self.to_pillow().save(buffer, format=format)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write a picture file; the suffix names the format (.png, .jpg, .webp, .gif)."""
        self.to_pillow().save(path)


Part = Text | Audio | Image


def _read(source: str | Path | bytes, name: str) -> bytes:
    """The bytes, of which a path's are counted before they are read."""
    if isinstance(source, bytes):
        _require_small(name, len(source))
        return source
    with Path(source).open("rb") as file:
        _require_small(name, os.fstat(file.fileno()).st_size)
        data = file.read(MAX_FILE_BYTES + 1)  # a pipe has no size beforehand
    _require_small(name, len(data))
    return data


def _require_small(name: str, num_bytes: int) -> None:
    if num_bytes > MAX_FILE_BYTES:
        raise ValueError(f"{name} holds {num_bytes:,} bytes, at most {MAX_FILE_BYTES:,} are taken; make it smaller")


def _require_rate(name: str, rate_hz: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise ValueError(
            f"rate_hz must be between {MIN_RATE_HZ} and {MAX_RATE_HZ}, got {rate_hz} from {name}; resample it first"
        )


def _require_few_channels(name: str, num_channels: int) -> None:
    if num_channels > MAX_CHANNELS:
        raise ValueError(f"{name} has {num_channels} channels, at most {MAX_CHANNELS} are taken; mix them down first")


def _require_short(name: str, duration_s: float) -> None:
    if duration_s > MAX_AUDIO_S:
        raise ValueError(f"{name} lasts {duration_s:.1f} s, at most {MAX_AUDIO_S:.0f} s are taken; cut it first")
