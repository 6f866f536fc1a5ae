"""Digits by real people: every held-out recording, and a row for every speaker, so that a weak one cannot hide.

Each recording is asked about twice: in writing ("which digit is this?", a written answer) and alone, which the
model answers by saying the digit; the spoken answer is judged by the listener.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, Literal, Protocol

from omniloom.data.problems import Transcriber
from omniloom.data.speech import fsdd
from omniloom.data.speech.words import number_words
from omniloom.evaluation.report import SpeakerScore
from omniloom.evaluation.suites.items import Items
from omniloom.stream.message import wanted
from omniloom.stream.parts import Audio, Part, Text

QUESTION = "which digit is this?"


class Talker(Protocol):
    """A model that answers many prompts at once."""

    def reply_batch(self, prompts: Sequence[Sequence[Part]], *, want: Any, seed: int) -> Sequence[Any]: ...


def score_speakers(
    omni: Talker,
    *,
    listener: Transcriber,
    recordings: Sequence[fsdd.Recording] | None = None,
    seed: int = 0,
    kept: Items | None = None,
) -> list[SpeakerScore]:
    """Scores by speaker on the held-out takes, or on the recordings given; of what is `kept` nothing is asked again."""
    chosen = list(fsdd.recordings("new") if recordings is None else recordings)
    items = kept if kept is not None else Items(None, suite="world", subject="", settings={})
    is_written = _judged(omni, chosen, "text", seed=seed, listener=listener, items=items)
    is_spoken = _judged(omni, chosen, "audio", seed=seed, listener=listener, items=items)
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


def _judged(
    omni: Talker,
    recordings: Sequence[fsdd.Recording],
    want: Literal["text", "audio"],
    *,
    seed: int,
    listener: Transcriber,
    items: Items,
) -> list[bool]:
    """Whether each recording's digit is named in writing, or said where it is heard alone."""
    keys = [f"digits, {want}: {own.speaker} {own.digit} {own.take}" for own in recordings]
    missing = [place for place, key in enumerate(keys) if key not in items]
    sounds = [fsdd.load(recordings[place]) for place in missing]
    prompts = [(Text(QUESTION), sound) if want == "text" else (sound,) for sound in sounds]
    for number, reply in _replies(omni, prompts, want=want, seed=seed):
        place = missing[number]
        given = _text(reply) if want == "text" else _heard(reply, listener)
        items.add(keys[place], {"is_right": given == number_words(recordings[place].digit)})
    return [bool(items[key]["is_right"]) for key in keys]


def _replies(omni: Talker, prompts: Sequence[tuple[Part, ...]], *, want: str, seed: int) -> Iterator[tuple[int, Any]]:
    """As they come, where the model gives them so."""
    one_by_one = getattr(omni, "replies", None)
    if one_by_one is not None:
        yield from one_by_one(prompts, [wanted(want)] * len(prompts), seed=seed)
    elif prompts:
        yield from enumerate(omni.reply_batch(prompts, want=wanted(want), seed=seed))


def _text(reply: Any) -> str:
    return " ".join("".join(part.text for part in reply.parts if isinstance(part, Text)).lower().split())


def _heard(reply: Any, listener: Transcriber) -> str:
    return listener.transcribe(reply.audio) if isinstance(reply.audio, Audio) else ""
