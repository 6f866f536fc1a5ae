"""What a first answer costs beside the others, paid before anybody waits for it.

The ear's weights are read, codecs and resamplers run for the first time, threads start: a server's first spoken turn
was answered 200 ms late. So one turn of silence goes through all that a spoken turn does, in a session that nobody is
in, and what it takes is counted for nobody. Warming each part by itself was rejected: the part that is forgotten is
found by the first client.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from omniloom.generation import Omni
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import WIRE_RATE_HZ
from omniloom.serving.realtime.outbox import Outbox
from omniloom.serving.realtime.session import RealtimeSession
from omniloom.serving.realtime.turns import Silero, SpeechProbability

LOGGER = logging.getLogger(__name__)

NUM_PIECES, PIECE_MS = 30, 20
ANSWER_TOKENS = 64
WITHIN_S = 60.0
ENDS = {
    "response.done": "response",
    "conversation.item.input_audio_transcription.completed": "transcript",
    "conversation.item.input_audio_transcription.failed": "transcript",
}
"""What is waited for."""


def warm_up(
    omni: Omni, *, limits: Limits = Limits(), new_probability: Callable[[], SpeechProbability] = Silero
) -> None:
    """Have a silent turn heard, answered aloud and written down; what goes wrong is a warning in the log."""

    def convinced() -> SpeechProbability:
        ear = new_probability()
        return lambda window: max(1.0, ear(window))  # Silence, taken for speech.

    outbox = Outbox(limit_bytes=limits.unsent_bytes)
    session = RealtimeSession(omni, outbox=outbox, model_name="", limits=limits, new_probability=convinced)
    try:
        for event in _turn():
            session.handle(json.dumps(event))
        awaited = {*ENDS.values()}
        while awaited:
            event = json.loads(outbox.get(timeout_s=WITHIN_S))
            awaited.discard(ENDS.get(event["type"], ""))
            fault = _fault_of(event)
            if fault is not None:
                LOGGER.warning("the model could not be warmed up, so the first answer is late: %s", fault)
                return
    except TimeoutError:
        LOGGER.warning("the model was not warm after %g s", WITHIN_S)
    finally:
        session.close()
        session.join(timeout_s=WITHIN_S)


def _turn() -> Iterator[dict[str, Any]]:
    hears = {"turn_detection": {"type": "server_vad", "create_response": False}, "transcription": {}}
    settings = {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": hears}}
    yield {"type": "session.update", "session": settings}
    silence = base64.b64encode(np.zeros(WIRE_RATE_HZ * PIECE_MS // 1000, "<i2").tobytes()).decode()
    for _ in range(NUM_PIECES):
        yield {"type": "input_audio_buffer.append", "audio": silence}
    yield {"type": "input_audio_buffer.commit"}
    yield {"type": "response.create", "response": {"max_output_tokens": ANSWER_TOKENS}}


def _fault_of(event: dict[str, Any]) -> str | None:
    """What an event tells to have gone wrong."""
    if event["type"] == "error":
        return str(event["error"]["message"])
    if event["type"] == "response.done" and event["response"]["status"] == "failed":
        return str(event["response"]["status_details"]["error"]["message"])
    return None
