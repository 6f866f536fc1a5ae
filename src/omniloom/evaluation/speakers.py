"""Digits by real people: every held-out recording, and a row for every speaker, so that a weak one cannot hide.

Each recording is asked about twice: in writing ("which digit is this?", a written answer) and alone, which the
model answers by saying the digit; the spoken answer is judged by the listener.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Protocol

from omniloom.data.problems import Transcriber
from omniloom.data.speech import fsdd
from omniloom.data.speech.words import number_words
from omniloom.evaluation.report import SpeakerScore
from omniloom.stream.message import wanted
from omniloom.stream.parts import Audio, Part, Text

QUESTION = "which digit is this?"


class Talker(Protocol):
    """A model that answers many prompts at once."""

    def reply_batch(self, prompts: Sequence[Sequence[Part]], *, want: Any, seed: int) -> Sequence[Any]: ...


def score_speakers(
    omni: Talker, *, listener: Transcriber, recordings: Sequence[fsdd.Recording] | None = None, seed: int = 0
) -> list[SpeakerScore]:
    """Scores by speaker on the held-out takes, or on the recordings given."""
    chosen = list(fsdd.recordings("new") if recordings is None else recordings)
    sounds = [fsdd.load(recording) for recording in chosen]
    answers = [number_words(recording.digit) for recording in chosen]
    written = _replies(omni, [(Text(QUESTION), sound) for sound in sounds], want="text", seed=seed)
    spoken = _replies(omni, [(sound,) for sound in sounds], want="audio", seed=seed)
    is_written = [_text(reply) == answer for reply, answer in zip(written, answers, strict=True)]
    is_spoken = [_heard(reply, listener) == answer for reply, answer in zip(spoken, answers, strict=True)]
    found = []
    for speaker in dict.fromkeys(recording.speaker for recording in chosen):
        places = [place for place, recording in enumerate(chosen) if recording.speaker == speaker]
        found.append(
            SpeakerScore(
                speaker=speaker,
                n=len(places),
                written=fmean(is_written[place] for place in places),
                spoken=fmean(is_spoken[place] for place in places),
            )
        )
    return found


def _replies(omni: Talker, prompts: Sequence[tuple[Part, ...]], *, want: str, seed: int) -> list[Any]:
    return list(omni.reply_batch(prompts, want=wanted(want), seed=seed))


def _text(reply: Any) -> str:
    return " ".join("".join(part.text for part in reply.parts if isinstance(part, Text)).lower().split())


def _heard(reply: Any, listener: Transcriber) -> str:
    return listener.transcribe(reply.audio) if isinstance(reply.audio, Audio) else ""
