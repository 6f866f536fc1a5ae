"""Who is at work in a mixed load: each actor does one thing to a server, checks what came back, and counts it.

An actor opens a session of its own and closes it, so that beginnings and ends of sessions are part of the load. What is
wrong raises; the caller counts it and goes on.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from latency_turns import Setting, measured
from realtime_client import WIRE_RATE_HZ, Arrival, Client, decoded, session
from server_process import Server
from spoken_turns import spoken_turns

LONG = "tell me a story"
"""Refused in five seconds of speech."""
THINK_S = (0.5, 2.5)
"""Between two things that somebody asks: people, and not a flood."""
SPOKEN = Setting(name="load", turn_detection={"type": "semantic_vad"})


@dataclass(eq=False)
class Load:
    """What was done and what went wrong, by all actors."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str) -> None:
        """One more was done; then whoever did it thinks about the next."""
        with self._guard:
            self.done[name] += 1
        time.sleep(random.uniform(*THINK_S))


def playback(arrivals: Sequence[Arrival]) -> list[float]:
    """How long before its time each sound after an answer's first came, in milliseconds; below 0 is a gap."""
    played_until: dict[str, float] = {}
    slack = []
    for arrival in arrivals:
        if arrival.type != "response.output_audio.delta":
            continue
        response = arrival.event["response_id"]
        due_s = played_until.get(response)
        if due_s is not None:
            slack.append(1000 * (due_s - arrival.at_s))
        begins_s = arrival.at_s if due_s is None else max(due_s, arrival.at_s)
        played_until[response] = begins_s + decoded(arrival.event["delta"]).size / WIRE_RATE_HZ
    return slack


def ask(client: Client, text: str, *, modality: str = "audio", until: str = "response.done") -> Arrival:
    """Ask in writing; the first event of the kind that is waited for.

    A busy server may still end a turn that was given up as missed, and answer it by itself; while it does, another
    response is refused, which is right. So it first forgets what it hears, and the item is asked for before the answer:
    it is given after every response that was begun before it.
    """
    first = len(client.arrivals)
    client.send(type="input_audio_buffer.clear")
    item_id = f"asked_{secrets.token_hex(8)}"
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "id": item_id, "role": "user", "content": content}
    client.send(type="conversation.item.create", item=item)
    client.send(type="conversation.item.retrieve", item_id=item_id)
    client.wait_for_type("conversation.item.retrieved", first=first)
    first = len(client.arrivals)
    client.send(type="response.create", response={"output_modalities": [modality]})
    return client.wait_for_type(until, first=first)


def completed(client: Client, text: str, *, modality: str) -> None:
    """Ask in writing and have the whole answer.

    Raises:
        RuntimeError: If it was not completed.
    """
    response = ask(client, text, modality=modality).event["response"]
    if response["status"] != "completed":
        raise RuntimeError(f"{text!r} was answered {response['status']}: {response['status_details']}")


def speaks(load: Load, server: Server, number: int) -> None:
    """Four turns of a spoken session."""
    with session(server.url) as client:
        client.update(output_modalities=["audio"], audio={"input": {"turn_detection": SPOKEN.turn_detection}})
        for turn in spoken_turns(4, seed=10_000 + number):
            row = measured(client, turn, SPOKEN, listener=None, is_right_alone=None)
            errors = [a.event["error"]["message"] for a in client.arrivals if a.type == "error"]
            if errors or client.closed is not None:
                raise RuntimeError(f"{errors} {client.closed}")
            load.count("spoken turns missed" if row.is_missed else "spoken turns")
            client.arrivals.clear()


def types(load: Load, server: Server, number: int) -> None:
    """Eight questions in writing, answered in writing and aloud."""
    with session(server.url) as client:
        for step in range(8):
            completed(client, f"what is {number % 20} plus {step}?", modality=("text", "audio")[step % 2])
            load.count("typed")
            client.arrivals.clear()


def draws(load: Load, server: Server, number: int) -> None:
    """Two pictures."""
    colour = ("red", "blue", "green", "yellow")[number % 4]
    with session(server.url) as client:
        for shape in ("circle", "star"):
            completed(client, f"draw a {colour} {shape}", modality="image")
            load.count("drawn")
            client.arrivals.clear()


def settle(client: Client) -> None:
    """Wait until what was sent is answered, if with an error: a cancel is refused where the answer had ended."""
    first = len(client.arrivals)
    client.send(type="input_audio_buffer.clear")
    client.wait_for(lambda all_: any(a.type == "input_audio_buffer.cleared" for a in all_[first:]), timeout_s=30)


def cancels(load: Load, server: Server, number: int) -> None:
    """Four long answers cancelled at their first sound, each followed by a short one that must come whole."""
    with session(server.url) as client:
        for _ in range(4):
            ask(client, LONG, until="response.output_audio.delta")
            client.send(type="response.cancel")
            client.wait_for(lambda all_: any(a.type == "response.done" for a in all_), timeout_s=30)
            settle(client)
            if not any(a.type == "response.done" for a in client.arrivals):
                raise RuntimeError("a cancelled answer did not end")
            client.arrivals.clear()
            completed(client, "what is two plus two?", modality="text")
            load.count("cancelled")
            client.arrivals.clear()


def vanishes(load: Load, server: Server, number: int) -> None:
    """Goes away somewhere in an answer, without closing anything."""
    chance = random.Random(number)
    with session(server.url) as client:
        first = len(client.arrivals)
        content = [{"type": "input_text", "text": LONG}]
        client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
        client.send(type="response.create", response={"output_modalities": ["audio"]})
        wanted = chance.randint(0, 30)
        client.wait_for(lambda all_: len(all_) - first >= wanted, timeout_s=5)
        client.socket.socket.shutdown(socket.SHUT_RDWR)
    load.count("vanished")


def posts(load: Load, server: Server, number: int) -> None:
    """A chat completion over HTTP."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": f"what is {number % 20} plus 3?"}]}
    request = urllib.request.Request(
        f"http://{server.address}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.loads(response.read())
    if not answer["choices"][0]["message"]["content"]:
        raise RuntimeError(f"an empty answer: {answer}")
    load.count("posted")


ACTORS: tuple[tuple[Callable[[Load, Server, int], None], int], ...] = (
    (speaks, 4), (types, 1), (draws, 1), (cancels, 1), (vanishes, 1), (posts, 1),
)  # fmt: skip
"""And how many of each are at work."""
