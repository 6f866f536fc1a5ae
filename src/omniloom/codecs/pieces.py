"""A part to the pieces of codes that it takes in the stream: one for a text, a sound or a picture, many for a video.

A video is shown as a model can follow it: few frames a second, each small, and after each the sound of its time, so
that what is seen and what is heard at once stand side by side. The sound is encoded whole and cut afterwards, for the
codes of a cut sound would have the silence of a recording's start in every piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from omniloom.codecs.bundle import CodecSet
from omniloom.stream.layout import Piece
from omniloom.stream.parts import Audio, Image, Part, Text, Video

FRAME_RATE_FPS = 5.0
"""Frames a second that a model sees."""

MAX_FRAMES = 64
"""Most frames of one video; of a longer one fewer a second are shown."""


def pieces_of(part: Part, codecs: CodecSet) -> list[Piece]:
    """The pieces of one part, in the order of the stream."""
    if isinstance(part, Text):
        return [Piece("text", codecs.text.encode(part))]
    if isinstance(part, Audio):
        return [Piece("audio", codecs.audio.encode(part))]
    if isinstance(part, Image):
        return [Piece("image", codecs.image.encode(part))]
    seen = as_seen(part, codecs)
    frame_codes: list[list[int]] = codecs.image.encode_frames(seen.frames.float() / 255).tolist()
    return video_pieces(
        frame_codes,
        codecs.audio.encode(seen.sound) if seen.sound is not None else [],
        codes_per_sound_frame=codecs.audio.spec.elements_per_cycle,
        sound_frames_per_frame=codecs.audio.rate_hz / codecs.audio.samples_per_frame / seen.rate_fps,
    )


def video_pieces(
    frame_codes: Sequence[Sequence[int]],
    sound_codes: Sequence[int],
    *,
    codes_per_sound_frame: int,
    sound_frames_per_frame: float,
    frame_words: Sequence[Sequence[int]] = (),
) -> list[Piece]:
    """A video's pieces: its mark, then each frame with the sound until the next; after the last, all that is left.

    `frame_words` are the `Piece.words` of each frame, where they are known.
    """
    pieces = [Piece("video", ())]
    start = 0
    for number, codes in enumerate(frame_codes, start=1):
        pieces.append(Piece("frame", codes, words=frame_words[number - 1] if frame_words else ()))
        stop = round(number * sound_frames_per_frame) * codes_per_sound_frame
        track = sound_codes[start : stop if number < len(frame_codes) else len(sound_codes)]
        if track:
            pieces.append(Piece("track", track))
        start = stop
    return pieces


def as_seen(video: Video, codecs: CodecSet) -> Video:
    """The video as a model sees it, its sound as it is; what is seen once stays the same when it is seen again."""
    sampled = video.sampled(FRAME_RATE_FPS, MAX_FRAMES)
    fitted = [Image(frame).resized(codecs.image.frame_side).pixels for frame in sampled.frames]
    return replace(sampled, frames=torch.stack(fitted))
