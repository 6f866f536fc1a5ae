"""One spoken turn through a server, by the client's clock: when its answer came, and whether it was right.

The true end is the sound's own (`spoken_turns`), on the microphone's clock; everything else is the arrival of an event.
A *cut-in* is an answer begun (`response.created`) before the true end, a *miss* none within 2 s after it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from realtime_client import PIECE, WIRE_RATE_HZ, Arrival, Client, Microphone, decoded
from spoken_turns import SpokenTurn, room

from omniloom.core.randomness import generator
from omniloom.data.problems import Transcriber, score
from omniloom.stream.parts import Audio

MISSED_AFTER_S = 2.0
ANSWERED_WITHIN_S = 15.0
"""After this a turn is given up, whatever the server does."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the end of a turn is told, and what must be reached with it."""

    name: str
    turn_detection: dict[str, Any] | None
    is_paced: bool = True
    """False: all of the sound at once, as fast as the server takes it. A control: it shows no latency at all."""
    max_pause_ms: float = float("inf")
    """Turns with a longer pause in them are told beside, and no bar counts them: no silence sits out a longer one."""
    max_p50_ms: float | None = None
    max_best_ms: float | None = None
    counts_from: str = "end"
    """Where the bars count from: the true end of speech, or the commit."""


@dataclass(frozen=True, kw_only=True)
class TurnRow:
    """What one turn came to; times in milliseconds, None where the event did not come."""

    setting: str
    index: int
    kind: str
    is_real: bool
    pause_ms: int
    is_cut_in: bool
    is_missed: bool
    end_to_audio_ms: float | None
    end_to_commit_ms: float | None
    """From the true end to the server's word that the turn is over; at a manual commit, to the commit."""
    commit_to_audio_ms: float | None
    commit_to_words_ms: float | None
    words_to_audio_ms: float | None
    ping_ms: float
    worst_late_ms: float
    """The client's own worst delay in giving a piece of sound."""
    status: str | None
    is_right: bool | None
    """None where nobody listened."""
    is_right_alone: bool | None
    """Of the model's reply in this process to the same sound."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def speak(client: Client, turn: SpokenTurn, setting: Setting) -> tuple[int, Microphone, float | None]:
    """Say a turn and listen until it is answered or missed: the first event's number, the microphone, the commit."""
    first = len(client.arrivals)
    noise = generator("after", turn.index)
    microphone = Microphone(client)
    if setting.turn_detection is None:
        held = -(-round(turn.end_s * WIRE_RATE_HZ) // PIECE) * PIECE
        missing = max(0, held - turn.samples.size)
        microphone.hear(np.concatenate([turn.samples[:held], room(turn.noise, missing, noise)]))
        committed_s = client.send(type="input_audio_buffer.commit")
        client.send(type="response.create")
        client.wait_for(lambda all_: _ended(all_[first:], 0.0), timeout_s=ANSWERED_WITHIN_S)
        return first, microphone, committed_s
    end_s = microphone.start_s + turn.end_s
    rest = -turn.samples.size % PIECE
    said = np.concatenate([turn.samples, room(turn.noise, rest, noise)])
    if not setting.is_paced:
        client.append(np.concatenate([said, room(turn.noise, WIRE_RATE_HZ, noise)]))
        client.wait_for(lambda all_: _ended(all_[first:], 0.0), timeout_s=ANSWERED_WITHIN_S)
        return first, microphone, None
    microphone.hear(said)
    quiet = room(turn.noise, round(ANSWERED_WITHIN_S * WIRE_RATE_HZ), noise)
    microphone.hear(quiet, until=lambda: _is_over(client.arrivals[first:], end_s))
    return first, microphone, None


def measured(
    client: Client, turn: SpokenTurn, setting: Setting, *, listener: Transcriber | None, is_right_alone: bool | None
) -> TurnRow:
    """Say a turn and tell what it came to."""
    first, microphone, committed_s = speak(client, turn, setting)
    came = client.arrivals[first:]
    end_s = microphone.start_s + turn.end_s if setting.is_paced else microphone.start_s
    created = [arrival for arrival in came if arrival.type == "response.created"]
    after = [arrival for arrival in created if arrival.at_s >= end_s]
    is_cut_in = len(after) < len(created)
    answers = after or created
    answer = (after[0] if not is_cut_in else answers[-1]) if answers else None
    own = _of_response(came, answer)
    audio = _first(own, "response.output_audio.delta")
    words = _first(own, "response.output_audio_transcript.delta")
    told = [arrival for arrival in came if arrival.type == "input_audio_buffer.committed" and answer is not None]
    told_s = committed_s or max((arrival.at_s for arrival in told if arrival.at_s <= answer.at_s), default=None)
    is_missed = not is_cut_in and (audio is None or audio.at_s > end_s + MISSED_AFTER_S)
    done = _first(own, "response.done")
    return TurnRow(
        setting=setting.name,
        index=turn.index,
        kind=turn.kind,
        is_real=turn.is_real,
        pause_ms=turn.pause_ms,
        is_cut_in=is_cut_in,
        is_missed=is_missed,
        end_to_audio_ms=_ms(end_s, audio),
        end_to_commit_ms=None if told_s is None else 1000 * (told_s - end_s),
        commit_to_audio_ms=_ms(told_s, audio),
        commit_to_words_ms=_ms(told_s, words),
        words_to_audio_ms=_ms(words.at_s if words else None, audio),
        ping_ms=client.ping_ms(),
        worst_late_ms=microphone.worst_late_ms,
        status=done.event["response"]["status"] if done else None,
        is_right=None if listener is None else _is_right(turn, own, listener),
        is_right_alone=is_right_alone,
    )


def _is_over(came: list[Arrival], end_s: float) -> bool:
    """Answered to the end after the speaker's, or not answered in time."""
    if _ended(came, end_s):
        return True
    is_answering = sum(a.type == "response.created" for a in came) > sum(a.type == "response.done" for a in came)
    return not is_answering and time.perf_counter() > end_s + MISSED_AFTER_S


def _ended(came: list[Arrival], after_s: float) -> bool:
    """Whether an answer that began after a moment has ended, or an error came."""
    begun = {a.event["response"]["id"] for a in came if a.type == "response.created" and a.at_s >= after_s}
    return any(a.type == "error" or (a.type == "response.done" and a.event["response"]["id"] in begun) for a in came)


def _of_response(came: list[Arrival], created: Arrival | None) -> list[Arrival]:
    if created is None:
        return []
    name = created.event["response"]["id"]
    return [a for a in came if name in (a.event.get("response_id"), a.event.get("response", {}).get("id"))]


def _first(came: list[Arrival], kind: str) -> Arrival | None:
    return next((arrival for arrival in came if arrival.type == kind), None)


def _ms(start_s: float | None, arrival: Arrival | None) -> float | None:
    return None if start_s is None or arrival is None else 1000 * (arrival.at_s - start_s)


def _is_right(turn: SpokenTurn, own: list[Arrival], listener: Transcriber) -> bool:
    """Whether what came back says what is right, heard by the project's listener."""
    sounds = [decoded(a.event["delta"]) for a in own if a.type == "response.output_audio.delta"]
    if not sounds:
        return False
    heard = Audio(torch.from_numpy(np.concatenate(sounds)), WIRE_RATE_HZ)
    return bool(score(turn.example, (heard,), listener))
