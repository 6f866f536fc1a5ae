"""What the benchmarks of load rest on: a client that asks only when nothing else is being answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omniloom.core.randomness import generator
from omniloom.data.problems.turns import aloud
from tests.serving.conftest import tiny_server  # noqa: F401

SERVING = Path(__file__).parents[2] / "benchmarks" / "serving"

pytestmark = pytest.mark.service


def test_a_question_is_not_refused_where_a_turn_given_up_as_missed_is_answered_after_all(
    tiny_server,  # noqa: F811
    monkeypatch,
):
    monkeypatch.syspath_prepend(str(SERVING))
    import load_actors
    import realtime_client

    sound, _ = aloud("seven", generator("a digit"), "new")
    samples = sound.resampled(realtime_client.WIRE_RATE_HZ).samples.numpy()
    with realtime_client.session(f"ws://{tiny_server}/v1/realtime?model=tiny") as client:
        client.update(output_modalities=["audio"], audio={"input": {"turn_detection": {"type": "server_vad"}}})
        # All at once: a server that is behind has all of this before it when the question comes.
        client.append(np.pad(samples, (8_000, 3 * realtime_client.WIRE_RATE_HZ)).astype(np.float32))
        done = load_actors.ask(client, "what is two plus two?", modality="text")
        assert done.event["response"]["status"] == "completed"
        assert done.event["response"]["output_modalities"] == ["text"]
        own = [arrival for arrival in client.arrivals if arrival.type == "response.created"]
        assert len(own) == 2, "the turn and the question are answered"
