"""The parts of a message: text, audio, image and video, as plain values.

A part is what a user has in hand before any codec: characters, samples, pixels. Files are read here and nowhere
else, so every limit on what a file may hold, and the error that names it, lives in this one place, or for pictures in
`picture_files`. soundfile reads audio and Pillow reads pictures; both are handed bytes, never a path from the network.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from jaxtyping import Float32, UInt8
from PIL import Image as PillowImage
from PIL import ImageSequence
from torch import Tensor

from omniloom.stream.picture_files import fitted, opened, reading_picture

MAX_AUDIO_S = 60.0
"""Longest audio that one part may hold; at 50 tokens a second it already fills any context we train."""

MAX_CHANNELS = 8
"""Most channels that are averaged, those of surround sound; a file may claim a thousand, all decoded at once."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000

MAX_FILE_BYTES = 96_000_000
"""Largest file that is read: a minute of 32-bit stereo at 192 kHz is 92 MB, a bitmap at the pixel limit 64 MB."""

MAX_VIDEO_S = 60.0
"""Longest video that one part may hold, as long as a sound."""

MAX_RATE_FPS = 60.0

MAX_VIDEO_PIXELS = 64_000_000
"""Pixels of all frames of a video together, 192 MB: 13 s of 640 x 480 at 16 frames a second."""

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""Pillow's readers that may be reached; it has dozens, and some (EPS) run other programs."""

VIDEO_FORMATS = ("GIF", "WEBP", "PNG")
"""Those of them that read moving pictures. No other format of video is taken: it would need another library."""

WRITTEN_VIDEO_FORMATS = ("GIF", "PNG")
"""Not WebP, whose writer makes a still picture of a video in which nothing moves."""

UNSAID_DURATION_MS = 100
"""What browsers show a frame for whose file says 0 ms."""


@dataclass(frozen=True)
class Text:
    """Written words; may not be empty."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text is empty; give at least one visible character")


@dataclass(frozen=True)
class TimedWord:
    """A word and when it sounds."""

    text: str
    start_s: float
    end_s: float

    def moved(self, by_s: float, *, slower: float = 1.0) -> TimedWord:
        """The word in a sound that lasts `slower` times as long and then begins `by_s` later."""
        return TimedWord(self.text, self.start_s * slower + by_s, self.end_s * slower + by_s)


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: float32 `samples` (N,) in [-1, 1] at `rate_hz` samples a second.

    `speech_end_s` is when the speaker has said all and `words` are those said, in order of time, where that is known;
    the model learns the end of a turn from the one and to hear from the other.
    """

    samples: Float32[Tensor, " N"]
    rate_hz: int
    speech_end_s: float | None = None
    words: tuple[TimedWord, ...] = ()

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
        name = _name_of(source)
        data = _read(source, name)
        try:
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                _require_rate(name, file.samplerate)
                _require_few_channels(name, file.channels)
                _require_short(name, file.frames / file.samplerate)
                samples = file.read(dtype="float32", always_2d=True)
                rate_hz = file.samplerate
        except soundfile.SoundFileError as error:
            # The whole message also names the buffer that the bytes are in, by its address.
            reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
            remedy = "use WAV, FLAC, MP3 or Ogg"
            raise ValueError(f"{name} is not a sound file that can be read ({reason}); {remedy}") from error
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
        return replace(self, samples=torch.from_numpy(samples), rate_hz=rate_hz)

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


@dataclass(frozen=True)
class NamedPlace:
    """Words for a thing in a picture, and where it stands: left, top, right and bottom as shares of the sides."""

    words: tuple[str, ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Image:
    """A picture: uint8 `pixels` (3, height, width), red, green, blue.

    `named` are the things in it, where they are known and the picture is square; the model learns to see from them.
    """

    pixels: UInt8[Tensor, "3 height width"]
    named: tuple[NamedPlace, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 3 or self.pixels.shape[0] != 3:
            raise ValueError(
                f"image pixels must be uint8 of shape (3, height, width), got {self.pixels.dtype} of shape "
                f"{tuple(self.pixels.shape)}"
            )
        if self.pixels.numel() == 0:
            raise ValueError(f"image is empty: its shape is {tuple(self.pixels.shape)}")
        if self.named and self.pixels.shape[1] != self.pixels.shape[2]:
            raise ValueError(f"things can be named in square pictures only, this one is {tuple(self.pixels.shape)}")

    @classmethod
    def open(cls, source: str | Path | bytes, *, max_side: int | None = None) -> Image:
        """Read a picture from a path or from its bytes; what is transparent becomes white.

        A camera's picture that lies on its side is set upright (EXIF). A larger one than `max_side` is made smaller, a
        JPEG while it is decoded, which may then have up to `picture_files.MAX_JPEG_PIXELS`.

        Raises:
            ValueError: If it cannot be decoded, is cut short, has more than `picture_files.MAX_IMAGE_PIXELS`, or is a
                file of more than `MAX_FILE_BYTES`.
            FileNotFoundError: If there is no such file.
        """
        name = _name_of(source)
        data = _read(source, name)
        with reading_picture(name, _PICTURE_REMEDY):
            picture = opened(data, name, IMAGE_FORMATS, max_side=max_side)
            picture.load()
        return cls.from_pillow(fitted(picture, max_side))

    @staticmethod
    def num_pixels_decoded(data: bytes, *, max_side: int) -> int:
        """How many pixels `open` would decode, told by the file's header; it raises as `open` does."""
        name = _name_of(data)
        with reading_picture(name, _PICTURE_REMEDY):
            picture = opened(data, name, IMAGE_FORMATS, max_side=max_side)
        return picture.width * picture.height

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


@dataclass(frozen=True, eq=False)
class Video:
    """A clip: uint8 `frames` (F, 3, height, width) at `rate_fps` frames a second, and its sound, if it has any.

    `named` are the things in each frame, as those of an `Image`; empty where they are not known.
    """

    frames: UInt8[Tensor, "F 3 height width"]
    rate_fps: float
    sound: Audio | None = None
    named: tuple[tuple[NamedPlace, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.frames.dtype != torch.uint8 or self.frames.ndim != 4 or self.frames.shape[1] != 3:
            raise ValueError(
                f"video frames must be uint8 of shape (F, 3, height, width), got {self.frames.dtype} of shape "
                f"{tuple(self.frames.shape)}"
            )
        if self.frames.numel() == 0:
            raise ValueError(f"video is empty: its frames have shape {tuple(self.frames.shape)}; give one or more")
        if not 0 < self.rate_fps <= MAX_RATE_FPS:
            raise ValueError(
                f"rate_fps must be above 0 and at most {MAX_RATE_FPS:.0f}, got {self.rate_fps}; leave out frames"
            )
        _require_short_video("video", self.duration_s)
        _require_few_pixels("video", self.frames.numel() // 3)
        if self.named and len(self.named) != self.frames.shape[0]:
            raise ValueError(
                f"things are named in each frame or in none, got {len(self.named)} lists for "
                f"{self.frames.shape[0]} frames; give an empty one where nothing is known"
            )
        if self.named and self.frames.shape[2] != self.frames.shape[3]:
            raise ValueError(f"things can be named in square frames only, these are {tuple(self.frames.shape[2:])}")

    @classmethod
    def open(cls, source: str | Path | bytes) -> Video:
        """Read a moving picture (GIF, WebP, PNG) from a path or from its bytes; what is transparent becomes white.

        Frames that last for different times are shown at one rate, as often as they last. There is no sound in these
        files; add it with `dataclasses.replace(video, sound=Audio.open(...))`.

        Raises:
            ValueError: If it cannot be decoded, is cut short, does not move, lasts longer than `MAX_VIDEO_S`, has more
                than `MAX_VIDEO_PIXELS`, or is a file of more than `MAX_FILE_BYTES`.
            FileNotFoundError: If there is no such file.
        """
        name = _name_of(source)
        data = _read(source, name)
        with reading_picture(name, "use an animated GIF, WebP or PNG"):
            picture = opened(data, name, VIDEO_FORMATS)
            num_frames = getattr(picture, "n_frames", 1)
            if num_frames == 1 and not picture.info.get("duration"):
                raise ValueError(f"{name} is a still picture, not a video; open it as an Image")
            size_px = picture.width * picture.height
            _require_few_pixels(name, num_frames * size_px)
            shown, durations_ms = [], []
            for frame in ImageSequence.Iterator(picture):
                frame.load()
                shown.append(Image.from_pillow(frame).pixels)
                durations_ms.append(frame.info.get("duration") or UNSAID_DURATION_MS)
        _require_short_video(name, sum(durations_ms) / 1000)
        step_ms, places = _even_places(durations_ms, MAX_VIDEO_PIXELS // size_px)
        return cls(torch.stack([shown[place] for place in places]), 1000 / step_ms)

    @classmethod
    def from_frames(cls, frames: Sequence[Image], rate_fps: float, sound: Audio | None = None) -> Video:
        """The video of pictures of one size, in order."""
        sizes = {tuple(frame.pixels.shape[1:]) for frame in frames}
        if len(sizes) != 1:
            raise ValueError(f"frames must be one or more pictures of one size, got {sorted(sizes) or 'none'}")
        return cls(torch.stack([frame.pixels for frame in frames]), rate_fps, sound)

    @property
    def duration_s(self) -> float:
        return self.frames.shape[0] / self.rate_fps

    def sampled(self, fps: float = 5.0, max_frames: int = 64) -> Video:
        """The same video at another rate, its sound untouched; a long one is thinned evenly to `max_frames`.

        Each frame is the one that is on show in the middle of its time.
        """
        if not 0 < fps <= MAX_RATE_FPS or max_frames < 1:
            raise ValueError(f"fps must be in (0, 60] and max_frames at least 1, got {fps} and {max_frames}")
        num_frames = min(max(1, round(self.duration_s * fps)), max_frames)
        # A video shorter than one frame's time gives one frame, which then stands for that time.
        rate_fps = fps if num_frames < max_frames else min(fps, max_frames / self.duration_s)
        times_s = (torch.arange(num_frames, dtype=torch.float64) + 0.5) / rate_fps
        places = (times_s * self.rate_fps).long().clamp(max=self.frames.shape[0] - 1)
        named = tuple(self.named[place] for place in places.tolist()) if self.named else ()
        return replace(self, frames=self.frames[places], rate_fps=rate_fps, named=named)

    def to_bytes(self, format: str = "GIF") -> bytes:
        """The frames, without their sound, as a file's bytes: PNG exactly, GIF with 256 colours a frame and 10 ms."""
        if format not in WRITTEN_VIDEO_FORMATS:
            raise ValueError(f"format must be {' or '.join(WRITTEN_VIDEO_FORMATS)}, got {format!r}")
        first, *rest = (Image(frame).to_pillow() for frame in self.frames)
        duration_ms = 1000 / self.rate_fps
        if not rest:  # one frame alone would be a still picture
            rest, duration_ms = [first], duration_ms / 2
        # Pillow joins equal frames of one blend, and a PNG in which nothing moves would be read as a still picture.
        blends = {"blend": [place % 2 for place in range(1 + len(rest))]} if format == "PNG" else {}
        buffer = io.BytesIO()
        first.save(buffer, format=format, save_all=True, append_images=rest, duration=duration_ms, loop=0, **blends)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the frames, without their sound; the suffix names the format (.gif, .png)."""
        suffix = Path(path).suffix.lstrip(".").upper()
        if suffix not in WRITTEN_VIDEO_FORMATS:
            raise ValueError(f"{path} has no format of moving pictures in its name; end it with .gif or .png")
        Path(path).write_bytes(self.to_bytes(suffix))


Part = Text | Audio | Image | Video


_PICTURE_REMEDY = "use PNG, JPEG, WebP, GIF or BMP"


def _even_places(durations_ms: Sequence[float], max_places: int) -> tuple[float, list[int]]:
    """A time step, and which frame is on show at each: the step that shows all durations exactly, where that is few."""
    total_ms = sum(durations_ms)
    if len(set(durations_ms)) == 1:
        step_ms = durations_ms[0]
    else:
        step_ms = math.gcd(*(round(duration) for duration in durations_ms))
    step_ms = max(step_ms, 1000 / MAX_RATE_FPS)
    while total_ms / step_ms > max_places:
        step_ms *= 2
    ends_ms = np.cumsum(durations_ms)
    middles_ms = (np.arange(max(1, round(total_ms / step_ms))) + 0.5) * step_ms
    places = np.searchsorted(ends_ms, middles_ms, side="right")
    return step_ms, places.clip(max=len(durations_ms) - 1).tolist()


def _name_of(source: str | Path | bytes) -> str:
    return "the given bytes" if isinstance(source, bytes) else str(source)


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


def _require_short_video(name: str, duration_s: float) -> None:
    if duration_s > MAX_VIDEO_S:
        raise ValueError(f"{name} lasts {duration_s:.1f} s, at most {MAX_VIDEO_S:.0f} s are taken; cut it first")


def _require_few_pixels(name: str, num_pixels: int) -> None:
    if num_pixels > MAX_VIDEO_PIXELS:
        raise ValueError(
            f"{name} has {num_pixels:,} pixels in all frames together, at most {MAX_VIDEO_PIXELS:,} are taken; make it "
            "smaller or shorter"
        )
