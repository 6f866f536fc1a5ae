"""Together equals alone: whatever else the engine has to do, a reply is the one it would be without it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from omniloom import Sampling
from omniloom.generation.conversation import finished
from omniloom.generation.decoder import RowDecoder
from omniloom.generation.engine import Engine, StepError
from omniloom.stream import vocabulary as v
from tests.generation.untrained import picture, sound, untrained_omni

OMNI = untrained_omni()
FOLDED = untrained_omni(is_folded=True)
SAMPLED = Sampling(temperature=1.0, top_k=50)
GUIDED = Sampling(temperature=0.8, image_guidance=1.5)
ASKED = [
    ("say", "text", Sampling()),
    ("big red circle", "audio", SAMPLED),
    (["what is this?", picture()], ("audio", "image"), GUIDED),
    (sound(0.5), "audio", Sampling()),
    ("say", "image", GUIDED),
    (["a", sound(0.1), "b", picture(2)], "image", SAMPLED),
    ("big", "text", Sampling(temperature=2.0)),
    (sound(0.3, seed=2), ("audio", "image"), Sampling()),
]


@pytest.mark.parametrize("omni", [OMNI, FOLDED], ids=["plain", "folded"])
def test_replies_asked_for_by_many_threads_equal_those_alone(omni):
    def reply(seed):
        prompt, want, sampling = ASKED[seed % len(ASKED)]
        return omni.reply(prompt, want, sampling=sampling, seed=seed, max_tokens=130)

    alone = [reply(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(reply, range(16)))
    assert [reply.ids for reply in together] == [reply.ids for reply in alone]


def test_a_failed_step_fails_those_in_it_and_the_engine_goes_on(monkeypatch):
    engine, step = Engine(OMNI._prepared), Engine._step
    row = RowDecoder(OMNI._prepared)
    row.append([v.BOS, v.USER, 40])

    def broken(self, work):
        raise MemoryError("no room")

    monkeypatch.setattr(Engine, "_step", broken)
    with pytest.raises(StepError, match="no room"):
        engine.feed(row)
    monkeypatch.setattr(Engine, "_step", step)
    engine.feed(row)
    assert row.num_fed == 3


def test_a_reply_left_early_leaves_the_others_alone():
    want = OMNI.reply("say", "audio", max_tokens=60).ids
    found, begun = [], threading.Event()

    def other():
        begun.wait()
        found.append(OMNI.reply("say", "audio", max_tokens=60).ids)

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(5):
        conversation = OMNI.conversation()
        conversation.add("big red circle")
        events = conversation.reply("audio", max_tokens=60)
        next(events)
        begun.set()
        events.close()
        conversation.add("say")
        assert finished(conversation.reply("text")).finish_reason in ("stop", "length")
    thread.join()
    assert found == [want]
