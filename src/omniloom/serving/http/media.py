"""Pictures, sounds and films in a request, to parts of a message.

Data comes inside the request, in base64 or as a data URI, or as an uploaded file. Nothing is fetched from any other
address: a server that fetches what strangers name can be sent to its own network. What data is, its first bytes say;
a file's name and media type are the client's opinion. Each error names its field. What all media of a request decode
to has a limit for each kind, because a few kilobytes each unpack to megabytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import numpy as np
import torch

from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.media import MODEL_RATE_HZ
from omniloom.serving.realtime.pictures import DATA_URI, PictureReader, data_of, decode_base64
from omniloom.serving.sounds import TooLong, opened, read_sound, reader_of
from omniloom.stream.parts import MAX_VIDEO_PIXELS, MAX_VIDEO_S, Audio, Image, Part, Video

VIDEO_READERS = ("mov", "matroska")
SEEN_FPS = 10.0
"""Frames of a film that are kept: twice what models are shown (`Video.sampled`)."""
SEEN_SIDE = 512
"""Larger frames are made smaller while they are read, so that a minute of film fits."""


class MediaReader:
    """Reads the media of one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pictures = PictureReader(limits)
        self._sound_s = 0.0
        self._num_film_pixels = 0

    def image_from_uri(self, uri: str, *, param: str) -> Image:
        """The picture in a data URI."""
        return self._pictures.from_uri(uri, param=param)

    def image_from_bytes(self, data: bytes, *, param: str) -> Image:
        """The picture in a file."""
        return self._pictures.from_bytes(data, param=param)

    def sound_from_base64(self, text: str, *, param: str) -> Audio:
        """The sound of a file in base64."""
        return self.sound_from_bytes(decode_base64(text, param=param), param=param)

    def sound_from_bytes(self, data: bytes, *, param: str) -> Audio:
        """The sound of a file, at the model's rate."""
        left_s = self._limits.total_audio_s - self._sound_s
        try:
            samples = read_sound(data, rate_hz=MODEL_RATE_HZ, max_s=min(self._limits.audio_s, left_s))
        except TooLong as error:
            if left_s >= self._limits.audio_s:
                raise RequestError(f"{param}: {error}", code="audio_too_long", param=param) from error
            most_s = self._limits.total_audio_s
            message = f"{param}: the sounds of one request last over {most_s:.0f} s together; send fewer"
            raise RequestError(message, code="audio_too_long", param=param) from error
        except ValueError as error:
            raise RequestError(f"{param}: {error}", code="invalid_audio", param=param) from error
        self._sound_s += samples.size / MODEL_RATE_HZ
        return Audio(torch.from_numpy(samples), MODEL_RATE_HZ)

    def video_from_uri(self, uri: str, *, param: str) -> Video:
        """The film, with its sound, or the moving picture in a data URI."""
        return self.video_from_bytes(data_of(uri, "video", param=param), param=param)

    def video_from_bytes(self, data: bytes, *, param: str) -> Video:
        """The film in a file (MP4, WebM), or the moving picture (GIF, WebP, PNG)."""
        try:
            if not _has_reader(data):
                return self._counted(Video.open(data), param=param)
            video, has_sound = _film(data)
        except RequestError:
            raise
        except ValueError as error:
            raise RequestError(f"{param}: {error}", code="invalid_video", param=param) from error
        self._counted(video, param=param)
        return replace(video, sound=self.sound_from_bytes(data, param=param)) if has_sound else video

    def part_from_uri(self, text: str, *, param: str) -> Part:
        """Whatever `file_data` holds: a data URI of any type, or base64 alone."""
        match = DATA_URI.match(text[:256])
        return self.part_from_bytes(decode_base64(text[match.end() :] if match else text, param=param), param=param)

    def part_from_bytes(self, data: bytes, *, param: str) -> Part:
        """Whatever a file holds: a film, a sound, a moving picture or a still one."""
        if _has_reader(data):
            if reader_of(data) in VIDEO_READERS and _has_frames(data, param=param):
                return self.video_from_bytes(data, param=param)
            return self.sound_from_bytes(data, param=param)
        try:
            return self._counted(Video.open(data), param=param)
        except RequestError:
            raise
        except ValueError:
            return self.image_from_bytes(data, param=param)

    def _counted(self, video: Video, *, param: str) -> Video:
        self._num_film_pixels += video.frames.numel() // 3
        if self._num_film_pixels > MAX_VIDEO_PIXELS:
            message = (
                f"{param}: the films of one request have over {MAX_VIDEO_PIXELS:,} pixels together; send fewer, or "
                "make them smaller first"
            )
            raise RequestError(message, code="video_too_large", param=param)
        return video


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _has_reader(data: bytes) -> bool:
    try:
        reader_of(data)
    except ValueError:
        return False
    return True


def _has_frames(data: bytes, *, param: str) -> bool:
    try:
        with opened(data) as container:
            return bool(container.streams.video)
    except ValueError as error:
        raise RequestError(f"{param}: {error}", code="invalid_video", param=param) from error


def _film(data: bytes) -> tuple[Video, bool]:
    """A film's frames, thinned while they are read, and whether it has a sound."""
    with opened(data) as container:
        if not container.streams.video:
            raise ValueError("the file holds no pictures; send a sound as input_audio")
        has_sound = bool(container.streams.audio)
        frames = list(_frames(container))
    if not frames:
        raise ValueError("the file holds no frame that can be read")
    return Video(torch.stack(frames), SEEN_FPS), has_sound


def _frames(container: Any) -> Iterator[torch.Tensor]:
    """The frame on show at every tenth of a second, as (3, height, width)."""
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ValueError("the pictures are of a codec that is not known here")
    shown: torch.Tensor | None = None
    num_given, num_pixels, time_s, shown_s = 0, 0, 0.0, 1 / SEEN_FPS
    try:
        for frame in container.decode(stream):
            # The last one is taken to be on show as long as the one before it.
            shown_s = float(frame.time or 0.0) - time_s or shown_s
            time_s = float(frame.time or 0.0)
            if time_s > MAX_VIDEO_S:
                raise ValueError(f"the film lasts longer than {MAX_VIDEO_S:.0f} s; cut it first")
            # The last frame stays on show until this one comes.
            while shown is not None and (num_given + 0.5) / SEEN_FPS < time_s:
                yield shown
                num_given += 1
            shown = _small(frame)
            num_pixels = max(num_pixels, shown.numel() // 3)
            if num_pixels * (num_given + 1) > MAX_VIDEO_PIXELS:
                raise ValueError(f"the film has more than {MAX_VIDEO_PIXELS:,} pixels; make it smaller or shorter")
    except (av.FFmpegError, OverflowError) as error:
        raise ValueError(f"the film cannot be decoded ({getattr(error, 'strerror', None) or error})") from error
    while shown is not None and (not num_given or (num_given + 0.5) / SEEN_FPS < time_s + shown_s):
        yield shown
        num_given += 1


def _small(frame: Any) -> torch.Tensor:
    if frame.width * frame.height > 16_000_000:
        raise ValueError(f"the film's frames have {frame.width} x {frame.height} pixels; make them smaller first")
    scale = min(1.0, SEEN_SIDE / max(frame.width, frame.height))
    width, height = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
    pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24", width=width, height=height))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
