"""Sound files: what a model says to any format that clients ask for, whole or as it is said, and files to samples.

PyAV writes and reads every format, so that one path serves whole files and streams. FFmpeg can follow addresses in what
it reads (playlists), and picks its reader by guessing: here the first bytes decide among a closed list of readers, none
of which opens anything else. soundfile was rejected for writing: it has no AAC and closes no stream early.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
from jaxtyping import Float32

from omniloom.serving.voices import SpokenVoice

SoundFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
WRITTEN_HZ = 24_000
"""Rate of every written sound, the one that OpenAI's clients expect of raw PCM."""

MAX_CHANNELS = 8
"""Most channels that are averaged; a file may claim hundreds."""


@dataclass(frozen=True, kw_only=True)
class _Written:
    """How a format is written: FFmpeg's container and codec, and the media type to send it as."""

    container: str
    codec: str
    media_type: str
    bit_rate: int | None = None
    sample_format: str = "s16"


FORMATS: dict[SoundFormat, _Written] = {
    "mp3": _Written(
        container="mp3", codec="libmp3lame", media_type="audio/mpeg", bit_rate=64_000, sample_format="s16p"
    ),
    "opus": _Written(container="ogg", codec="libopus", media_type="audio/ogg", bit_rate=32_000),
    "aac": _Written(container="adts", codec="aac", media_type="audio/aac", bit_rate=64_000, sample_format="fltp"),
    "flac": _Written(container="flac", codec="flac", media_type="audio/flac"),
    "wav": _Written(container="wav", codec="pcm_s16le", media_type="audio/wav"),
    "pcm": _Written(container="s16le", codec="pcm_s16le", media_type="audio/pcm"),
}

_READERS: tuple[tuple[int, bytes, str], ...] = (
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (4, b"ftyp", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
)
"""Where which bytes tell a format, and FFmpeg's reader of it; MP3 and AAC without a tag are told by their frames."""


class SoundWriter:
    """One sound to a file's bytes, piece by piece.

    A file that is sent while it is written cannot say how long it is: WAV then holds the largest length, FLAC none.
    """

    def __init__(self, format: SoundFormat, *, rate_hz: int = WRITTEN_HZ, is_streamed: bool = True) -> None:
        how = FORMATS[format]
        self._rate_hz = rate_hz
        self._file = _Pipe() if is_streamed else io.BytesIO()
        options = {"write_xing": "0", "id3v2_version": "0"} if format == "mp3" and is_streamed else {}
        options |= {"fflags": "+bitexact"} if format == "wav" else {}
        # Ogg packs a second to a page where nothing is said; a listener should not wait for it.
        options |= {"page_duration": "100000"} if format == "opus" and is_streamed else {}
        self._container: Any = av.open(self._file, "w", format=how.container, options=options)
        stream: Any = self._container.add_stream(how.codec, rate=rate_hz, layout="mono")
        stream.format = how.sample_format
        if how.bit_rate:
            stream.bit_rate = how.bit_rate
        self._stream = stream
        self._container.start_encoding()
        self._num_pushed = 0

    def push(self, samples: Float32[np.ndarray, " N"]) -> bytes:
        """Take the next samples; the bytes that are ready."""
        if samples.size:
            pcm = (np.clip(samples, -1, 1) * 32767).round().astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
            frame.sample_rate = self._rate_hz
            frame.pts = self._num_pushed
            self._num_pushed += samples.size
            self._container.mux(self._stream.encode(frame))
        return self._taken()

    def finish(self) -> bytes:
        """The last bytes; nothing can be pushed after it. Of a whole file, all its bytes."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.taken() if isinstance(self._file, _Pipe) else self._file.getvalue()

    def _taken(self) -> bytes:
        return self._file.taken() if isinstance(self._file, _Pipe) else b""


class _Pipe:
    """What FFmpeg writes to where nobody can go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def write_sound(
    samples: Float32[np.ndarray, " N"], rate_hz: int, format: SoundFormat, *, voice: str = "loom", speed: float = 1.0
) -> bytes:
    """A whole sound as a file's bytes, in a voice and at a speed."""
    spoken = SpokenVoice(voice, speed, from_hz=rate_hz, to_hz=WRITTEN_HZ)
    writer = SoundWriter(format, is_streamed=False)
    writer.push(np.concatenate([spoken.push(samples), spoken.flush()]))
    return writer.finish()


class TooLong(ValueError):
    """A sound that lasts longer than its reader takes."""


def read_sound(data: bytes, *, rate_hz: int, max_s: float) -> Float32[np.ndarray, " N"]:
    """The samples of a sound file, or of the sound of a film, at a rate; channels are averaged.

    WAV, FLAC, MP3, AAC, Ogg, MP4, M4A, Matroska and WebM are read.

    Raises:
        TooLong: If it lasts longer than `max_s`.
        ValueError: If it is none of these, or holds no sound.
    """
    with opened(data) as container:
        pieces, num_samples = [], 0
        for piece in _decoded(container, rate_hz):
            num_samples += piece.size
            if num_samples > max_s * rate_hz:
                raise TooLong(f"the sound lasts longer than {max_s:.0f} s; send it in shorter pieces")
            pieces.append(piece)
    if not num_samples:
        raise ValueError("the file holds no sound")
    return np.concatenate(pieces)


def reader_of(data: bytes) -> str:
    """FFmpeg's reader for a file, told by its first bytes.

    Raises:
        ValueError: If it is none that is read here.
    """
    for place, mark, reader in _READERS:
        if data[place : place + len(mark)] == mark:
            return reader
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return "aac"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        return "mp3"
    raise ValueError("the file is of no format that is read here; use WAV, FLAC, MP3, AAC, Ogg, MP4, M4A or WebM")


def opened(data: bytes) -> Any:
    """A sound or film for reading, by the reader that its first bytes tell.

    Raises:
        ValueError: If there is no such reader, or it cannot make sense of it.
    """
    reader = reader_of(data)
    try:
        return av.open(io.BytesIO(data), "r", format=reader, options={"protocol_whitelist": "none"})
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"the file cannot be read as {reader} ({_reason(error)})") from error


def _decoded(container: Any, rate_hz: int) -> Iterator[Float32[np.ndarray, " N"]]:
    if not container.streams.audio:
        raise ValueError("the file holds no sound")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise ValueError("the sound is of a codec that is not known here")
    if stream.codec_context.channels > MAX_CHANNELS:
        raise ValueError(f"the sound has {stream.codec_context.channels} channels, at most {MAX_CHANNELS} are taken")
    # FFmpeg's own way from two channels to one makes what is in both louder than either.
    resampler = av.AudioResampler(format="fltp", rate=rate_hz)
    try:
        for frame in container.decode(stream):
            for made in resampler.resample(frame):
                yield made.to_ndarray().mean(axis=0)
        for made in resampler.resample(None):
            yield made.to_ndarray().mean(axis=0)
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"the sound cannot be decoded ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
