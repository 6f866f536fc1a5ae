"""Every recording of every speaker is asked about twice, and a weak speaker shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from omniloom.data.speech import fsdd
from omniloom.data.speech.words import DIGIT_WORDS
from omniloom.evaluation.speakers import score_speakers
from omniloom.stream.parts import Audio, Part, Text

RECORDINGS = [fsdd.Recording(Path(s), digit, s, 0) for s in ("ann", "bob") for digit in range(10)]


def sound(digit: int) -> Audio:
    return Audio(torch.zeros(1000 + digit), 8_000)


class Ear:
    def transcribe(self, audio: Audio) -> str:
        return DIGIT_WORDS[audio.samples.numel() - 1000]


class DeafToBob:
    """Names ann's digits; says "zero" to each of bob's, whom it knows by having heard ann out."""

    def __init__(self) -> None:
        self.wants: list[frozenset[str]] = []

    def reply_batch(self, prompts: Sequence[Sequence[Part]], *, want: Any, seed: int) -> list[Any]:
        self.wants.append(want)
        replies = []
        for place, prompt in enumerate(prompts):
            (heard,) = [part for part in prompt if isinstance(part, Audio)]
            digit = heard.samples.numel() - 1000 if place < 10 else 0
            said = sound(digit) if want == {"audio"} else None
            replies.append(SimpleNamespace(parts=(Text(DIGIT_WORDS[digit].upper()),), audio=said))
        return replies


def test_every_speaker_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsdd, "load", lambda recording: sound(recording.digit))
    omni = DeafToBob()
    ann, bob = score_speakers(omni, listener=Ear(), recordings=RECORDINGS)
    assert (ann.speaker, ann.n, ann.written, ann.spoken) == ("ann", 10, 1.0, 1.0)
    assert (bob.speaker, bob.n, bob.written, bob.spoken) == ("bob", 10, 0.1, 0.1)
    assert omni.wants == [{"text"}, {"audio"}]
