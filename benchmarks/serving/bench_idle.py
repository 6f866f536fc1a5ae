"""What a session that says nothing costs the server in memory, and what one costs that has spoken and is silent again.

    python benchmarks/serving/bench_idle.py --json FILE                   # a minute
    python benchmarks/serving/bench_idle.py --sessions 50

A server is started in a process of its own and as many sockets are opened as `--sessions` says, after a few that are
opened and closed again, so that what is loaded once is not counted. Memory is the process's own (RssAnon and RssFile of
/proc), read when it has stood still; a session costs the difference divided by their number. *Spoken to* are the same
sessions after each had a spoken turn and its answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from realtime_client import Client, session
from server_process import Server, pin_to, running_server
from spoken_turns import WIRE_RATE_HZ, SpokenTurn, room, spoken_turns

from omniloom.core.progress import Progress
from omniloom.core.randomness import generator
from omniloom.reproductions.result import machine

MOST_MB = 1.0
STILL_S = 2.0
"""Memory counts when it has not moved by more than 100 kB for so long."""


def settled_bytes(server: Server) -> int:
    """What the server holds once that has stood still."""
    last, since_s = server.rss_bytes(), time.monotonic()
    deadline_s = since_s + 30
    while time.monotonic() < deadline_s and time.monotonic() - since_s < STILL_S:
        time.sleep(0.1)
        now = server.rss_bytes()
        if abs(now - last) > 100_000:
            last, since_s = now, time.monotonic()
    return server.rss_bytes()


def speak(client: Client, turn: SpokenTurn) -> None:
    """A whole spoken turn at once, until it is answered."""
    first = len(client.arrivals)
    client.append(np.concatenate([turn.samples, room(turn.noise, WIRE_RATE_HZ, generator("idle", turn.index))]))
    client.wait_for_type("response.done", first=first)
    client.arrivals.clear()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with (
        running_server(core=options.server_core, num_sessions=options.sessions + 8) as server,
        contextlib.ExitStack() as sockets,
    ):
        (turn,) = spoken_turns(1)
        with contextlib.ExitStack() as warm:
            for client in [warm.enter_context(session(server.url)) for _ in range(8)]:
                semantic(client)
                speak(client, turn)
        empty, threads_before = settled_bytes(server), server.num_threads()
        clients = []
        with Progress("idle", total=options.sessions, unit="session") as progress:
            for _ in range(options.sessions):
                clients.append(sockets.enter_context(session(server.url)))
                progress.advance()
        idle, threads_idle = settled_bytes(server), server.num_threads()
        busy_s = server.cpu_s()
        time.sleep(5)
        busy_s = server.cpu_s() - busy_s
        with Progress("spoken to", total=options.sessions, unit="session") as progress:
            for client in clients:
                semantic(client)
                speak(client, turn)
                progress.advance()
        spoken = settled_bytes(server)
        sockets.close()
        closed = settled_bytes(server)
    share = options.sessions * 1e6
    return {
        "machine": machine(),
        "sessions": options.sessions,
        "empty_mb": empty / 1e6,
        "idle_mb_each": (idle - empty) / share,
        "spoken_to_mb_each": (spoken - empty) / share,
        "after_all_closed_mb": closed / 1e6,
        "threads": {"without": threads_before, "with": threads_idle},
        "core_share_while_idle": busy_s / 5,
    }


def semantic(client: Client) -> None:
    client.update(output_modalities=["audio"], audio={"input": {"turn_detection": {"type": "semantic_vad"}}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--server-core", type=int, help="the core that the server is kept on (default: any)")
    parser.add_argument("--client-core", type=int, help="the core of the client")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    pin_to(options.client_core)
    found = measure(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['machine']}; server without sessions: {found['empty_mb']:.0f} MB\n")
    print("| sessions | MB each, idle | MB each, spoken to once | server after all closed, MB | threads | core, idle |")
    print("|---|---|---|---|---|---|")
    threads = f"{found['threads']['without']} → {found['threads']['with']}"
    print(
        f"| {found['sessions']} | {found['idle_mb_each']:.3f} | {found['spoken_to_mb_each']:.3f} "
        f"| {found['after_all_closed_mb']:.0f} | {threads} | {100 * found['core_share_while_idle']:.1f} % |"
    )
    holds = found["idle_mb_each"] <= MOST_MB
    print(f"\n{'holds' if holds else 'FAILS'}  MB of an idle session (at most {MOST_MB:g})")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
