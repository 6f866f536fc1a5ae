"""How long after the speaker's last word the first sound of an answer is there, measured as a server would do it.

The question is streamed in 40 ms pieces. When the end of the turn is decided, the answer is asked for, and the clock
stops at the first sound. The wait for the decision counts in the question's own time, the work in this machine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from omniloom.core.processes import one_thread
from omniloom.data.problems import cell_examples
from omniloom.evaluation.turn_ends import Frame, Setting, decided_at, knows_turn_ends
from omniloom.evaluation.turn_ends.measure import PIECE_MS
from omniloom.evaluation.turn_ends.silero import silero_detector
from omniloom.evaluation.turn_ends.utterances import with_tail
from omniloom.generation import Omni
from omniloom.generation.conversation import Conversation
from omniloom.generation.reply import AudioDelta
from omniloom.stream.parts import Audio

AUDIBLE = 0.01
"""Of the peak: where a recording does not tell when its speaker has said all, the last sample as loud does."""


@dataclass(frozen=True, kw_only=True)
class FirstSound:
    """Milliseconds of one answer: from asking for it, and from the speaker's last word; None where none was decided."""

    after_commit_ms: float
    after_speech_ms: float | None


def spoken_questions(count: int) -> list[Audio]:
    """Questions of held-out voices that are all sound, with silence after them."""
    found = []
    for example in cell_examples("audio-to-audio", "new", count):
        sounds = [part for part in example.prompt[-1].parts if isinstance(part, Audio)]
        if len(example.prompt) == len(example.prompt[-1].parts) == len(sounds) == 1:
            found.append(with_tail(sounds[0], end_of(sounds[0])))
    return found


def end_of(sound: Audio) -> float:
    """When the speaker has said all, in seconds."""
    if sound.speech_end_s is not None:
        return sound.speech_end_s
    loud = np.flatnonzero(np.abs(sound.samples.numpy()) > AUDIBLE * float(sound.samples.abs().max()))
    return float(loud[-1] + 1) / sound.rate_hz if loud.size else sound.duration_s


def measure_first_sounds(omni: Omni, questions: Sequence[Audio], *, turns: Mapping[str, Any]) -> list[FirstSound]:
    """One for each question, on one thread; the first is asked twice, for it finds everything cold.

    The end is decided by the model where `turns` (the checkpoint's report on it) has a setting, else by silero after
    500 ms.
    """
    setting = Setting(**turns["setting"]) if knows_turn_ends(omni) and turns.get("setting") else None
    decide = silero_detector() if setting is None else None
    with one_thread():
        found = []
        for question in [*questions[:1], *questions]:
            decided_s = decide(question) if decide is not None else None
            found.append(_answered(omni.conversation(), question, setting=setting, decided_s=decided_s))
    return found[1:]


def _answered(
    conversation: Conversation, question: Audio, *, setting: Setting | None, decided_s: float | None
) -> FirstSound:
    piece = question.rate_hz * PIECE_MS // 1000
    frames: list[Frame] = []
    known_s, hearing_s, is_decided = 0.0, 0.0, False
    for start in range(0, question.samples.numel(), piece):
        part = question.samples[start : start + piece]
        begun = perf_counter()
        probabilities = conversation.hear(Audio(part, question.rate_hz))
        hearing_s = perf_counter() - begun
        known_s = (start + part.numel()) / question.rate_hz
        frames += [Frame(known_s, probability) for probability in probabilities]
        if setting is not None:
            is_decided = decided_at(frames, setting) is not None
        elif decided_s is not None:
            is_decided = known_s >= decided_s
        if is_decided:
            break
    begun = perf_counter()
    for event in conversation.reply("audio"):
        if isinstance(event, AudioDelta):
            break
    commit_s = perf_counter() - begun
    wait_s = known_s - end_of(question)
    after_speech_s = wait_s + hearing_s + commit_s if is_decided and wait_s >= 0 else None
    return FirstSound(
        after_commit_ms=1000 * commit_s, after_speech_ms=None if after_speech_s is None else 1000 * after_speech_s
    )
