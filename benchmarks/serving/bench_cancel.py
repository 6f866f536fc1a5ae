"""A cancelled answer stops within a step of the model, and the next answer begins as soon as if nothing had been said.

    python benchmarks/serving/bench_cancel.py --json FILE                 # about five minutes
    python benchmarks/serving/bench_cancel.py --rounds 10

*Steps*: a session in this process is cancelled at the first sound of a long answer, while it is being decoded, and the
engine's own count says how many steps of the model it takes from there on; the step that is being taken is allowed.

*Next answer*: a client of a real server asks for a long answer, cancels it at its first sound, and asks the next thing
at once; beside it, in turn, another lets the same answer end and then asks. What is compared is the time from asking to
the first sound of the next answer. *Barge-in* is the same with speech: a turn spoken into a running answer, which the
server hears and cancels, against one spoken into silence, from its true end to the first sound.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from latency_turns import Setting, measured
from realtime_client import Client, session
from server_process import pin_to, running_server
from spoken_turns import PEOPLE, spoken_turns

from omniloom.core.progress import Progress
from omniloom.data.speech.listener import Listener
from omniloom.generation import Omni
from omniloom.reproductions.result import machine
from omniloom.serving.realtime import Outbox, RealtimeSession
from omniloom.serving.realtime import protocol as p

LONG, NEXT = "tell me a story", "what is three plus four?"
"""The first is refused in five seconds of speech; the second is answered in a word."""
MOST_STEPS = 1
MOST_LATER = 0.1
SEMANTIC = {"type": "semantic_vad"}


class Cancelling(Outbox):
    """An outbox that has its session cancelled with the first sound, and notes the engine's count of steps then."""

    def __init__(self, omni: Omni) -> None:
        super().__init__(limit_bytes=1 << 26)
        self.engine = omni._engine
        self.session: RealtimeSession | None = None
        self.num_steps_before: int | None = None

    def put(self, event: p.Wire) -> None:
        super().put(event)
        if isinstance(event, p.OutputAudioDelta) and self.num_steps_before is None:
            assert self.session is not None
            self.num_steps_before = self.engine.stats().num_steps
            self.session.handle('{"type": "response.cancel"}')


def steps_after_cancel(omni: Omni, rounds: int) -> list[int]:
    """Steps that the model took after each cancel."""
    found = []
    for _ in range(rounds):
        outbox = Cancelling(omni)
        talking = RealtimeSession(omni, outbox=outbox, model_name="tiny")
        outbox.session = talking
        for event in asked(LONG):
            talking.handle(json.dumps(event))
        status = None
        while status is None:
            event = json.loads(outbox.get(timeout_s=30))
            status = event["response"]["status"] if event["type"] == "response.done" else None
        assert status == "cancelled", status
        talking.close()
        assert talking.join(timeout_s=30)
        assert outbox.num_steps_before is not None
        found.append(outbox.engine.stats().num_steps - outbox.num_steps_before)
    return found


def asked(text: str) -> list[dict[str, Any]]:
    """What a client sends to ask something."""
    content = [{"type": "input_text", "text": text}]
    return [
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}},
        {"type": "response.create", "response": {"output_modalities": ["audio"]}},
    ]


def ask(client: Client, text: str) -> tuple[int, float]:
    """Ask something: the number of the first event that may come of it, and when the answer was asked for."""
    first = len(client.arrivals)
    sent_s = [client.send(**event) for event in asked(text)]
    return first, sent_s[-1]


def begin(client: Client) -> int:
    """A long answer, up to its first sound."""
    first, _ = ask(client, LONG)
    client.wait_for_type("response.output_audio.delta", first=first)
    return first


def next_answer_ms(client: Client, *, is_cancelled: bool) -> float | None:
    """From asking the next thing to its first sound; None where the answer before had ended before it was cancelled."""
    first = begin(client)
    if is_cancelled:
        client.send(type="response.cancel")
    else:
        client.wait_for_type("response.done", first=first)
    _, sent_s = ask(client, NEXT)

    def answer(kind: str) -> list[Any]:
        ids = [a.event["response"]["id"] for a in client.arrivals[first:] if a.type == "response.created"]
        own = [a for a in client.arrivals[first:] if a.type == kind]
        return [
            a
            for a in own
            if len(ids) > 1 and ids[1] in (a.event.get("response_id"), a.event.get("response", {}).get("id"))
        ]

    client.wait_for(lambda _: bool(answer("response.done")), timeout_s=30)
    statuses = [a.event["response"]["status"] for a in client.arrivals[first:] if a.type == "response.done"]
    found = 1000 * (answer("response.output_audio.delta")[0].at_s - sent_s)
    client.arrivals.clear()
    return found if statuses[0] == ("cancelled" if is_cancelled else "completed") else None


def barge_in_ms(client: Client, turn: Any, listener: Listener, *, is_answering: bool) -> float | None:
    """From the true end of a spoken turn to the first sound, spoken into an answer or into silence."""
    if is_answering:
        begin(client)
    row = measured(
        client, turn, Setting(name="barge-in", turn_detection=SEMANTIC), listener=listener, is_right_alone=None
    )
    client.arrivals.clear()
    return None if row.is_cut_in or row.is_missed else row.end_to_audio_ms


def measure(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    steps = steps_after_cancel(Omni.load("tiny"), options.rounds)
    listener = Listener.load()
    turns = [turn for turn in spoken_turns(4 * options.rounds) if turn.kind not in PEOPLE][: options.rounds]
    typed: dict[str, list[float]] = {"with": [], "without": []}
    spoken: dict[str, list[float]] = {"with": [], "without": []}
    with (
        running_server(core=options.server_core) as server,
        session(server.url) as writer,
        session(server.url) as speaker,
        Progress("cancel", total=options.rounds, unit="round") as progress,
    ):
        writer.update(output_modalities=["audio"], audio={"input": {"turn_detection": None}})
        speaker.update(output_modalities=["audio"], audio={"input": {"turn_detection": SEMANTIC}})
        for number in range(-2, options.rounds):  # the first two only warm up
            for name in ("with", "without"):
                found = next_answer_ms(writer, is_cancelled=name == "with")
                if number >= 0 and found is not None:
                    typed[name].append(found)
        for turn in turns:
            for name in ("with", "without"):
                heard = barge_in_ms(speaker, turn, listener, is_answering=name == "with")
                if heard is not None:
                    spoken[name].append(heard)
            progress.advance(1, {"typed": len(typed["with"])})
            time.sleep(0.2)
    return {"machine": machine(), "steps": steps, "typed_ms": typed, "spoken_ms": spoken}


def later(times: dict[str, list[float]]) -> float:
    """By how much the median is later with a cancel than without."""
    return median(times["with"]) / median(times["without"]) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--server-core", type=int, help="the core that the server is kept on (default: any)")
    parser.add_argument("--client-core", type=int, help="the core of the client")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    pin_to(options.client_core)
    found = measure(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['machine']}\n")
    print("| | n | with a cancel, p50 ms | without, p50 ms | later by |\n|---|---|---|---|---|")
    for name, label in (("typed_ms", "next answer, asked in writing"), ("spoken_ms", "next answer, spoken into it")):
        times = found[name]
        cells = [label, f"{len(times['with'])} + {len(times['without'])}"]
        cells += [f"{median(times[kind]):.1f}" for kind in ("with", "without")]
        print("| " + " | ".join([*cells, f"{100 * later(times):+.1f} %"]) + " |")
    bars = [("steps after a cancel, most", max(found["steps"]), MOST_STEPS)]
    bars += [(f"{name}: later by", later(found[name]), MOST_LATER) for name in ("typed_ms", "spoken_ms")]
    print()
    for name, here, limit in bars:
        print(f"{'holds' if here <= limit else 'FAILS'}  {name} {here:.3g} (at most {limit:g})")
    sys.exit(any(here > limit for _, here, limit in bars))


if __name__ == "__main__":
    main()
