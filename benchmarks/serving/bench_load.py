"""Many spoken sessions at once without a gap in playback, and hours of mixed load without growing memory or an error.

    python benchmarks/serving/bench_load.py --server-core 1 --client-core 0                  # 8 sessions, 2 minutes
    python benchmarks/serving/bench_load.py --out runs/more --sessions 4 8 12 16
    python benchmarks/serving/bench_load.py --mixed --minutes 60

*Playback*: so many sessions speak to one server in real time, 20 ms at a time, each turn after turn; every other thing
they ask is a long answer in writing, which is five seconds of speech. A client plays what it gets: the first sound at
once, each further one after the one before. A sound that comes after its time is a gap; the slack is how long before.

*Mixed*: four sessions speak, others type, have pictures drawn, cancel answers at their first sound, go away in the
middle of one without a word, and ask over HTTP. The server's memory is sampled every five seconds: after the warm-up,
a tenth of the time and at least a minute, it may not leave 5 % of its median on either side. Samples and what was done
are written to OUT as they come.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import load_actors
from latency_turns import Setting, measured
from load_actors import ACTORS, Load, playback
from realtime_client import session
from server_process import Server, pin_to, running_server
from spoken_turns import spoken_turns

from omniloom.core.progress import Progress
from omniloom.reproductions.result import machine

SPOKEN = Setting(name="load", turn_detection={"type": "semantic_vad"})
SAMPLE_S = 5.0
MOST_DRIFT = 0.05
LEAST_SESSIONS = 8


def talk(url: str, number: int, until_s: float, found: list[dict[str, Any]], failures: list[str]) -> None:
    """One session: turn after turn, each followed by a long answer, until the time is over."""
    turns = list(spoken_turns(24, seed=100 + number))
    try:
        with session(url) as client:
            client.update(output_modalities=["audio"], audio={"input": {"turn_detection": SPOKEN.turn_detection}})
            time.sleep(0.37 * number % 2)  # sessions do not speak in step
            place = 0
            while time.perf_counter() < until_s:
                row = measured(client, turns[place % len(turns)], SPOKEN, listener=None, is_right_alone=None)
                row_slack = playback(client.arrivals)
                client.arrivals.clear()
                load_actors.ask(client, load_actors.LONG)
                long_slack = playback(client.arrivals)
                client.arrivals.clear()
                found.append(row.to_json() | {"session": number, "slack_ms": row_slack, "long_slack_ms": long_slack})
                place += 1
    except Exception as error:  # a session that dies is what is looked for
        failures.append(f"session {number}: {error}")


def concurrent(options: argparse.Namespace, num_sessions: int) -> dict[str, Any]:
    """So many sessions at once for the time that is asked for."""
    found: list[dict[str, Any]] = []
    failures: list[str] = []
    with running_server(core=options.server_core, num_sessions=num_sessions + 4) as server:
        until_s = time.perf_counter() + 60 * options.minutes
        cpu_s, began_s = server.cpu_s(), time.perf_counter()
        threads = [
            threading.Thread(target=talk, args=(server.url, number, until_s, found, failures), daemon=True)
            for number in range(num_sessions)
        ]
        for thread in threads:
            thread.start()
        with Progress(f"{num_sessions} sessions", total=round(60 * options.minutes), unit="s") as progress:
            while any(thread.is_alive() for thread in threads):
                time.sleep(1)
                progress.advance(1, {"turns": len(found)})
        busy = (server.cpu_s() - cpu_s) / (time.perf_counter() - began_s)
    slack = [value for row in found for value in (*row["slack_ms"], *row["long_slack_ms"])]
    right = [row for row in found if not row["is_cut_in"] and not row["is_missed"]]
    times = [row["end_to_audio_ms"] for row in right]
    return {
        "sessions": num_sessions,
        "turns": len(found),
        "sounds": len(slack),
        "gaps": sum(value < 0 for value in slack),
        "least_slack_ms": min(slack, default=None),
        "first_audio_p50_ms": median(times) if times else None,
        "first_audio_p95_ms": quantiles(times, n=20)[-1] if len(times) > 1 else None,
        "cut_ins": sum(row["is_cut_in"] for row in found) / max(1, len(found)),
        "missed": sum(row["is_missed"] for row in found) / max(1, len(found)),
        "client_late_p95_ms": quantiles([row["worst_late_ms"] for row in found], n=20)[-1] if len(found) > 1 else None,
        "server_core_share": busy,
        "failures": failures,
        "load": os.getloadavg()[0],
    }


def mixed(options: argparse.Namespace) -> dict[str, Any]:
    """Everything at once, and the server's memory meanwhile."""
    path = options.out / "memory.jsonl"
    path.unlink(missing_ok=True)
    stop, load = threading.Event(), Load()
    # Those who go away without a word are no news, though the client's package finds them an internal error.
    logging.getLogger("websockets.client").setLevel(logging.CRITICAL)
    with running_server(core=options.server_core, num_sessions=64) as server:
        actors: list[tuple[Callable[[Load, Server, int], None], int]] = [
            (actor, number) for actor, count in ACTORS for number in range(count)
        ]

        def act(actor: Callable[[Load, Server, int], None], number: int) -> None:
            turn = 0
            while not stop.is_set():
                try:
                    actor(load, server, 1_000 * number + turn)
                except Exception as error:  # what is looked for
                    load.failures.append(f"{actor.__name__}: {type(error).__name__}: {error}")
                    print(f"{time.strftime('%H:%M:%S')} {load.failures[-1]}", flush=True)
                    time.sleep(1)
                turn += 1

        threads = [threading.Thread(target=act, args=actor, daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        samples = sample(server, load, options, path)
        stop.set()
        for thread in threads:
            thread.join(30)
    warm_s = max(60.0, 6 * options.minutes)
    kept = [item["rss_mb"] for item in samples if item["at_s"] >= warm_s] or [item["rss_mb"] for item in samples]
    middle = median(kept)
    return {
        "minutes": options.minutes,
        "done": dict(load.done),
        "failures": load.failures[:20],
        "num_failures": len(load.failures),
        "rss_mb": {"first": samples[0]["rss_mb"], "median": middle, "least": min(kept), "most": max(kept)},
        "drift": max(max(kept) / middle - 1, 1 - min(kept) / middle),
        "threads": max(item["threads"] for item in samples),
    }


def sample(server: Server, load: Load, options: argparse.Namespace, path: Path) -> list[dict[str, Any]]:
    """The server's memory every few seconds, for the time that is asked for."""
    samples, began_s = [], time.perf_counter()
    with (
        path.open("a", encoding="utf-8") as file,
        Progress("mixed load", total=round(60 * options.minutes), unit="s") as progress,
    ):
        while (at_s := time.perf_counter() - began_s) < 60 * options.minutes:
            now = {"at_s": at_s, "rss_mb": server.rss_bytes() / 1e6, "threads": server.num_threads()}
            samples.append(now | {"done": sum(load.done.values()), "failures": len(load.failures)})
            file.write(json.dumps(samples[-1]) + "\n")
            file.flush()
            time.sleep(SAMPLE_S)
            progress.advance(SAMPLE_S, {"RSS MB": now["rss_mb"], "failures": len(load.failures)})
    return samples


def tell_concurrent(rows: Sequence[dict[str, Any]]) -> bool:
    print(
        "| sessions | turns | sounds | gaps | least slack, ms | true end → first audio: p50 | p95 | cut-ins | missed "
        "| server's core | client late, p95 ms |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for row in rows:
        cells = [row["sessions"], row["turns"], row["sounds"], row["gaps"], _ms(row["least_slack_ms"])]
        cells += [_ms(row["first_audio_p50_ms"]), _ms(row["first_audio_p95_ms"])]
        cells += [f"{100 * row['cut_ins']:.1f} %", f"{100 * row['missed']:.1f} %"]
        cells += [f"{100 * row['server_core_share']:.0f} %", _ms(row["client_late_p95_ms"])]
        print("| " + " | ".join(map(str, cells)) + " |")
        for failure in row["failures"]:
            print(f"a session failed: {failure}", file=sys.stderr)
    whole = [row["sessions"] for row in rows if not row["gaps"] and not row["failures"] and row["sounds"]]
    most = max(whole, default=0)
    print(
        f"\n{'holds' if most >= LEAST_SESSIONS else 'FAILS'}  sessions without a gap {most} (at least {LEAST_SESSIONS})"
    )
    return most >= LEAST_SESSIONS


def tell_mixed(found: dict[str, Any]) -> bool:
    rss = found["rss_mb"]
    done = ", ".join(f"{count} {name}" for name, count in sorted(found["done"].items()))
    print(f"{found['minutes']:g} minutes: {done}; at most {found['threads']} threads")
    print(
        f"RSS {rss['first']:.0f} MB at first; then {rss['least']:.0f} to {rss['most']:.0f}, median {rss['median']:.0f}"
    )
    for failure, count in Counter(found["failures"]).items():
        print(f"{count} x {failure}", file=sys.stderr)
    holds = found["drift"] <= MOST_DRIFT and not found["num_failures"]
    drift = f"memory within {100 * found['drift']:.1f} % of its median (at most {100 * MOST_DRIFT:.0f} %)"
    print(f"{'holds' if holds else 'FAILS'}  {drift}, {found['num_failures']} errors (none)")
    return holds


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/load"), metavar="FOLDER", help="samples and results")
    parser.add_argument("--sessions", type=int, nargs="+", default=[8], help="at once (default: 8)")
    parser.add_argument("--minutes", type=float, default=2.0, help="for each number of sessions, or of mixed load")
    parser.add_argument("--mixed", action="store_true", help="mixed load and memory instead of playback")
    parser.add_argument("--server-core", type=int, help="the core that the server is kept on (default: any)")
    parser.add_argument("--client-core", type=int, help="the core of the client")
    options = parser.parse_args()
    pin_to(options.client_core)
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}; load of the machine at first: {os.getloadavg()[0]:.1f}\n")
    if options.mixed:
        found: Any = mixed(options)
        holds = tell_mixed(found)
    else:
        found = [concurrent(options, number) for number in options.sessions]
        holds = tell_concurrent(found)
    name = "mixed" if options.mixed else "concurrent"
    (options.out / f"{name}.json").write_text(json.dumps({"machine": machine(), "found": found}, indent=1) + "\n")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
