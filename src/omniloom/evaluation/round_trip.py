"""The best reply that a codec allows: the reference, through its codecs and back.

Scored like any reply it is the *ceiling* of a cell: what a perfect model would get. It concerns the reply alone; what a
codec loses of the *input* is not in it, and is measured by `omniloom codec measure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from omniloom.codecs.base import Codec
from omniloom.stream.parts import Audio, Image, Part


class MediaCodecs(Protocol):
    """`codecs.bundle.CodecSet`, or a stand-in."""

    @property
    def audio(self) -> Codec[Audio]: ...

    @property
    def image(self) -> Codec[Image]: ...


def round_trip(parts: Sequence[Part], codecs: MediaCodecs) -> tuple[Part, ...]:
    """A reply as it would come out of a perfect model; its words' sounds are joined first, as in training."""
    sounds = [part for part in parts if isinstance(part, Audio)]
    kept: list[Part] = [
        codecs.image.decode(codecs.image.encode(part)) if isinstance(part, Image) else part
        for part in parts
        if not isinstance(part, Audio)
    ]
    if sounds:
        rate_hz = sounds[0].rate_hz
        whole = Audio(torch.cat([sound.resampled(rate_hz).samples for sound in sounds]), rate_hz)
        kept.append(codecs.audio.decode(codecs.audio.encode(whole)))
    return tuple(kept)
