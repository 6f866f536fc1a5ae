"""Sounds and pictures within a prompt: a mark in its text for each, and the parts that the marks stand for.

A prompt stays one string, so that all that is done with text (joining, comparing, keeping a digest) is done with these
prompts too. The mark is Unicode's own for an object within text. A list of parts in place of the string was rejected:
every task and every adapter of text would then have to take it apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from omniloom.evaluation.few_shot.models.base import LanguageModel, Medium
from omniloom.stream.parts import Audio, Image, Part, Text, Video

MEDIUM = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Where a sound, a picture or a video stands in a text."""


@runtime_checkable
class MediaLanguageModel(LanguageModel, Protocol):
    """A model whose requests may hold sounds, pictures and videos."""

    def num_media_tokens(self, medium: Medium) -> int: ...


def parts_of(text: str, media: Sequence[Medium]) -> list[Part]:
    """The text with the media at their marks; blanks alone between two of them are left out.

    Raises:
        ValueError: If there are not as many marks as media.
    """
    pieces = text.split(MEDIUM)
    if len(pieces) != len(media) + 1:
        raise ValueError(
            f"the prompt has {len(pieces) - 1} marks ({MEDIUM!r}) for {len(media)} media; write one for each"
        )
    found: list[Part] = []
    for number, piece in enumerate(pieces):
        found += [Text(piece)] if piece.strip() else []
        found += media[number : number + 1]
    return found


def told(text: str, media: Sequence[Medium]) -> str:
    """The text, and after it what tells these media from all others; without media the text alone."""
    return "".join([text, *(f"{MEDIUM}{media_digest(own)}" for own in media)])


def media_digest(medium: Medium) -> str:
    """Sixteen digits that change with what is seen or heard."""
    match medium:
        case Audio():
            return _digest(f"audio {medium.rate_hz}", medium.samples)
        case Image():
            return _digest("image", medium.pixels)
        case Video(sound=sound):
            heard = media_digest(sound) if sound is not None else ""
            return _digest(f"video {medium.rate_fps} {heard}", medium.frames)


def _digest(head: str, values: Tensor) -> str:
    found = hashlib.sha256(f"{head} {tuple(values.shape)}".encode())
    found.update(values.contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]
