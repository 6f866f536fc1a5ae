"""What it costs to get a message from the event loop to where it is followed, and what following one costs.

    python benchmarks/serving/bench_inbound.py            # half a minute
    python benchmarks/serving/bench_inbound.py --sessions 8 --seconds 1

So many sessions give 50 messages a second each, evenly spread, as microphones do. Compared are: following them in the
event loop, in a thread each (`asyncio.to_thread`), and in the one thread of `serving.socket.Reader`. What is told is
processor time for one message beyond that of a loop which only waits.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable

import numpy as np
import torch

from omniloom.generation import Omni
from omniloom.serving.realtime import Outbox, RealtimeSession
from omniloom.serving.socket import MAX_AHEAD, Backlog, Reader

PIECE_S = 0.02
WIRE_RATE_HZ = 24_000

Way = Callable[[Callable[[], None]], Awaitable[None]]


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    print(f"following one piece of 20 ms: {follow_us(options.seconds):6.0f} µs")
    for num in options.sessions:
        waiting = cost_us(nothing, num, options.seconds)
        ways = (("in the loop", inline), ("a thread each", asyncio.to_thread), ("the reader", None))
        told = [f"{name} {cost_us(way, num, options.seconds) - waiting:6.1f} µs" for name, way in ways]
        print(f"{num:4d} sessions, a message beyond waiting ({waiting:.0f} µs): " + ", ".join(told))


async def nothing(job: Callable[[], None]) -> None:
    pass


async def inline(job: Callable[[], None]) -> None:
    job()


def cost_us(way: Way | None, num_sessions: int, seconds: float) -> float:
    """Processor time of a message, waiting for its time included; `way` None is the reader's."""

    async def run() -> float:
        reader, loop = Reader(), asyncio.get_running_loop()
        with reader.running():
            started_s, start_s = time.process_time(), loop.time()
            ways = [way or through(reader) for _ in range(num_sessions)]
            await asyncio.gather(*(talk(each, start_s + n * PIECE_S / num_sessions) for n, each in enumerate(ways)))
            return time.process_time() - started_s

    num_messages = round(seconds / PIECE_S)

    async def talk(take: Way, start_s: float) -> None:
        loop = asyncio.get_running_loop()
        for index in range(num_messages):
            await asyncio.sleep(max(0.0, start_s + index * PIECE_S - loop.time()))
            await take(work)

    return asyncio.run(run()) * 1e6 / (num_messages * num_sessions)


def work() -> None:
    """Following a message, of which only the way is measured here."""


def through(reader: Reader) -> Way:
    """As a socket gives its messages to the reader."""
    backlog = Backlog(reader)

    async def take(job: Callable[[], None]) -> None:
        backlog.add(job)
        await backlog.below(MAX_AHEAD)

    return take


def follow_us(seconds: float) -> float:
    """Processor time of one piece of noise in a session of the shipped model that listens for speech."""
    session = RealtimeSession(Omni.load("tiny"), outbox=Outbox(limit_bytes=1 << 24), model_name="tiny")
    noise = np.random.default_rng(0).normal(0, 30, round(WIRE_RATE_HZ * PIECE_S)).astype("<i2").tobytes()
    message = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(noise).decode()})
    try:
        session.handle(message)
        num = round(seconds / PIECE_S)
        started_s = time.process_time()
        for _ in range(num):
            session.handle(message)
        return (time.process_time() - started_s) * 1e6 / num
    finally:
        session.close()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[8, 32, 200])
    parser.add_argument("--seconds", type=float, default=2.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
