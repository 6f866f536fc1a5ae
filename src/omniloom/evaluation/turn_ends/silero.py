"""The usual detector beside ours: silero-vad, a turn over after 500 ms without speech, as realtime servers have it.

It is driven by the package's own iterator, so that what is compared is what people run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from omniloom.stream.parts import Audio

SILENCE_MS = 500
RATE_HZ = 16_000
WINDOW = 512
"""Samples of one decision, fixed by silero."""


def silero_detector(silence_ms: int = SILENCE_MS) -> Callable[[Audio], float | None]:
    """Says when the first turn of a sound is held to be over, in seconds; None if never. The extra `serve` has it."""
    from silero_vad import VADIterator, load_silero_vad

    with warnings.catch_warnings():
        # The package ships TorchScript, whose loader torch 2.13 calls deprecated; its ONNX needs one dependency more.
        warnings.simplefilter("ignore", DeprecationWarning)
        iterator = VADIterator(load_silero_vad(), sampling_rate=RATE_HZ, min_silence_duration_ms=silence_ms)

    def decide(audio: Audio) -> float | None:
        iterator.reset_states()
        samples = audio.resampled(RATE_HZ).samples
        for start in range(0, samples.numel() - WINDOW + 1, WINDOW):
            found = iterator(samples[start : start + WINDOW])
            if found is not None and "end" in found:
                return (start + WINDOW) / RATE_HZ
        return None

    return decide
