"""Silence at the ends of speech, cut away before the model hears it.

Training sounds are cut where they are audible, give or take 60 ms; a microphone gives half a second of room before and
after. Loudness of 10 ms frames decides, against the loudest of them and against the room: enough for the ends of what
is already known to be speech, and far cheaper than a second pass of the speech detector.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from omniloom.serving.realtime.media import MODEL_RATE_HZ

FRAME = MODEL_RATE_HZ // 100
MARGIN_FRAMES = 4
"""Frames kept outside what is loud: words begin and end softly."""
AUDIBLE = 0.03
"""Of the loudest frame; s and f are about so much below a vowel."""
OVER_ROOM = 2.5
"""Times the room's own loudness, taken as that of the quietest tenth of the frames."""


def trim_silence(samples: Float32[np.ndarray, " N"], *, only_start: bool = False) -> Float32[np.ndarray, " M"]:
    """The sound (16 kHz) without the silence before and after it; whole where nothing stands out."""
    num_frames = len(samples) // FRAME
    if num_frames < 2 * MARGIN_FRAMES:
        return samples
    loudness = np.sqrt(np.square(samples[: num_frames * FRAME]).reshape(num_frames, FRAME).mean(axis=1))
    is_loud = loudness > max(
        AUDIBLE * loudness.max(), min(OVER_ROOM * np.quantile(loudness, 0.1), 0.5 * loudness.max())
    )
    loud = np.flatnonzero(is_loud)
    if not loud.size:
        return samples
    start = max(0, int(loud[0]) - MARGIN_FRAMES) * FRAME
    stop = len(samples) if only_start else min(len(samples), (int(loud[-1]) + 1 + MARGIN_FRAMES) * FRAME)
    return samples[start:stop]
