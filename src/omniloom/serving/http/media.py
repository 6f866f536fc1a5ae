"""Pictures, sounds and films in a request, to parts of a message.

Data comes inside the request, in base64 or as a data URI, or as an uploaded file. Nothing is fetched from any other
address: a server that fetches what strangers name can be sent to its own network. What data is, its first bytes say;
a file's name and media type are the client's opinion. Each error names its field.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import numpy as np
import torch

from omniloom.serving.http.errors import ApiError
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.sounds import opened, read_sound, reader_of
from omniloom.stream.parts import MAX_VIDEO_PIXELS, MAX_VIDEO_S, Audio, Image, Part, Video

MODEL_RATE_HZ = 16_000

DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)

VIDEO_READERS = ("mov", "matroska")
SEEN_FPS = 10.0
"""Frames of a film that are kept: twice what models are shown (`Video.sampled`)."""
SEEN_SIDE = 512
"""Larger frames are made smaller while they are read, so that a minute of film fits."""


def image_from_uri(uri: str, limits: Limits, *, param: str) -> Image:
    """The picture in a data URI."""
    return image_from_bytes(_data_of(uri, "image", param=param), limits, param=param)


def image_from_bytes(data: bytes, limits: Limits, *, param: str) -> Image:
    """The picture in a file."""
    try:
        picture = Image.open(data)
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_image", param=param) from error
    _, height, width = picture.pixels.shape
    if height * width > limits.image_pixels:
        raise ApiError(
            f"{param} has {width} x {height} pixels, at most {limits.image_pixels:,} are taken; make it smaller first",
            code="image_too_large",
            param=param,
        )
    return picture


def sound_from_base64(text: str, limits: Limits, *, param: str) -> Audio:
    """The sound of a file in base64."""
    return sound_from_bytes(from_base64(text, param=param), limits, param=param)


def sound_from_bytes(data: bytes, limits: Limits, *, param: str) -> Audio:
    """The sound of a file, at the model's rate."""
    try:
        samples = read_sound(data, rate_hz=MODEL_RATE_HZ, max_s=limits.audio_s)
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_audio", param=param) from error
    return Audio(torch.from_numpy(samples), MODEL_RATE_HZ)


def video_from_uri(uri: str, limits: Limits, *, param: str) -> Video:
    """The film, with its sound, or the moving picture in a data URI."""
    return video_from_bytes(_data_of(uri, "video", param=param), limits, param=param)


def video_from_bytes(data: bytes, limits: Limits, *, param: str) -> Video:
    """The film in a file (MP4, WebM), or the moving picture (GIF, WebP, PNG)."""
    try:
        if _has_reader(data):
            return _film(data, limits)
        return Video.open(data)
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_video", param=param) from error


def part_from_file(data: bytes, limits: Limits, *, param: str) -> Part:
    """Whatever a file holds: a film, a sound, a moving picture or a still one."""
    if _has_reader(data):
        if reader_of(data) in VIDEO_READERS and _has_frames(data, param=param):
            return video_from_bytes(data, limits, param=param)
        return sound_from_bytes(data, limits, param=param)
    try:
        return Video.open(data)
    except ValueError:
        return image_from_bytes(data, limits, param=param)


def file_from_uri(text: str, *, param: str) -> bytes:
    """The bytes of `file_data`: a data URI of any type, or base64 alone."""
    match = DATA_URI.match(text[:256])
    return from_base64(text[match.end() :] if match else text, param=param)


def from_base64(text: str, *, param: str) -> bytes:
    """The bytes behind base64, refusing anything that is not."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(f"{param} is not base64 ({error})", code="invalid_base64", param=param) from error


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data_of(uri: str, kind: str, *, param: str) -> bytes:
    match = DATA_URI.match(uri[:256])
    if match is None:
        raise ApiError(
            f"{param} must be a data URI in base64 (data:{kind}/…;base64,…); nothing is fetched from other addresses",
            code="invalid_url",
            param=param,
        )
    return from_base64(uri[match.end() :], param=param)


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
        raise ApiError(f"{param}: {error}", code="invalid_video", param=param) from error


def _film(data: bytes, limits: Limits) -> Video:
    """A film's frames, thinned while they are read, and its sound if it has any."""
    with opened(data) as container:
        if not container.streams.video:
            raise ValueError("the file holds no pictures; send a sound as input_audio")
        has_sound = bool(container.streams.audio)
        frames = list(_frames(container))
    if not frames:
        raise ValueError("the file holds no frame that can be read")
    video = Video(torch.stack(frames), SEEN_FPS)
    if not has_sound:
        return video
    samples = read_sound(data, rate_hz=MODEL_RATE_HZ, max_s=limits.audio_s)
    return replace(video, sound=Audio(torch.from_numpy(samples), MODEL_RATE_HZ))


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
