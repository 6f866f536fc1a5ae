"""From the true end of speech to the first sound of the answer, at a client of a real server, over real time.

    python benchmarks/serving/bench_latency.py --server-core 1 --client-core 0       # about a quarter of an hour
    python benchmarks/serving/bench_latency.py --out runs/short --settings manual --turns 24
    python benchmarks/serving/bench_latency.py --out runs/other --url ws://127.0.0.1:7860/v1/realtime?model=tiny

A server is started in a process of its own on loopback (`--server-core`, one torch thread), and a client in another
process (`--client-core`) gives it people's digits and synthetic voices that nothing was ever trained or tuned on
(`spoken_turns.py`), 20 ms at a time as a microphone does, and the room after them. Measured is from the true end of
speech in the sound to the arrival of the first `response.output_audio.delta`, by the client's clock, and from the
commit; with the parts that it is made of, with cut-ins, misses, and whether what was said back is right, beside what
the model answers in this process to the same sounds. *All at once* is the same client without the clock: how misleading
a benchmark is that does not wait. Every turn is written to OUT/turns.jsonl as it is done; called again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from latency_report import draw, markdown, summary
from latency_turns import Setting, TurnRow, measured
from realtime_client import session
from server_process import pin_to, running_server
from spoken_turns import SpokenTurn, spoken_turns

from omniloom.core.progress import Progress
from omniloom.data.problems import score
from omniloom.data.speech.listener import Listener
from omniloom.generation import Omni
from omniloom.reproductions.result import machine
from omniloom.stream.parts import Audio

SETTINGS = (
    Setting(name="semantic_vad", turn_detection={"type": "semantic_vad"}, max_p50_ms=200, max_best_ms=150),
    Setting(
        name="server_vad 200 ms",
        turn_detection={"type": "server_vad", "silence_duration_ms": 200},
        max_pause_ms=200,
        max_p50_ms=320,
    ),
    Setting(name="manual", turn_detection=None, max_p50_ms=80, counts_from="commit"),
    Setting(name="semantic_vad, all at once", turn_detection={"type": "semantic_vad"}, is_paced=False),
)


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    pin_to(options.client_core)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "turns.jsonl"
    if options.fresh:
        path.unlink(missing_ok=True)
    turns = list(spoken_turns(options.turns, split=options.split, seed=options.seed))
    omni, listener = Omni.load("tiny"), Listener.load()
    decoder_ms = first_sound_ms(omni)
    alone: dict[int, bool] = {}
    refused = {}
    for setting in chosen(options.settings):
        missing = unmeasured(turns, setting, path, options)
        if not missing:
            continue
        for turn in missing:
            if turn.index not in alone:
                reply = omni.reply(turn.example.prompt, "audio")
                alone[turn.index] = bool(score(turn.example, reply.parts, listener))
        try:
            measure(missing, setting, path, options, listener=listener, alone=alone)
        except RuntimeError as error:
            refused[setting.name] = str(error)
            print(f"{setting.name}: {error}", file=sys.stderr)
    if not tell(path, options, decoder_ms=decoder_ms, refused=refused):
        sys.exit(1)


def measure(
    turns: Sequence[SpokenTurn],
    setting: Setting,
    path: Path,
    options: argparse.Namespace,
    *,
    listener: Listener,
    alone: dict[int, bool],
) -> None:
    """Say these turns to a server, one after another, and add a line for each."""
    with (
        server_url(options) as url,
        path.open("a", encoding="utf-8") as file,
        Progress(setting.name, total=len(turns), unit="turn") as progress,
        session(url) as client,
    ):
        client.update(output_modalities=["audio"], audio={"input": {"turn_detection": setting.turn_detection}})
        for turn in turns:
            row = measured(client, turn, setting, listener=listener, is_right_alone=alone[turn.index])
            if client.closed is not None:
                raise RuntimeError(f"the server closed the session: {client.closed}")
            identity = {"split": options.split, "seed": options.seed, "load": os.getloadavg()[0]}
            file.write(json.dumps(row.to_json() | identity) + "\n")
            file.flush()
            client.arrivals.clear()
            progress.advance(1, {"last": shown(row)})


def shown(row: TurnRow) -> str:
    """A turn in a few words."""
    if row.is_cut_in or row.end_to_audio_ms is None:
        return f"{row.kind}: {'cut in' if row.is_cut_in else 'missed'}"
    return f"{row.kind}: {row.end_to_audio_ms:.0f} ms"


@contextmanager
def server_url(options: argparse.Namespace) -> Iterator[str]:
    if options.url:
        yield options.url
        return
    with running_server(core=options.server_core, command=options.command) as server:
        yield server.url


def unmeasured(
    turns: Sequence[SpokenTurn], setting: Setting, path: Path, options: argparse.Namespace
) -> list[SpokenTurn]:
    """The turns of a setting that no line is there of yet."""
    asked = turns if setting.is_paced else turns[: max(1, len(turns) // 5)]
    done = {row["index"] for row in rows_in(path, options) if row["setting"] == setting.name}
    return [turn for turn in asked if turn.index not in done]


def rows_in(path: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    mine = (options.split, options.seed)
    return [row for row in rows if (row["split"], row["seed"]) == mine and row["index"] < options.turns]


def first_sound_ms(omni: Omni) -> float:
    """What decoding the first sound of a reply, two frames of it, takes here."""
    num_codes = 2 * omni.vocabulary.specs["audio"].elements_per_cycle
    codes = omni.codecs.audio.encode(Audio(torch.zeros(16_000), 16_000))[:num_codes]
    times = []
    for _ in range(20):
        stream = omni.codecs.audio.decoder_stream()
        start_s = time.thread_time()  # of this thread's own: neighbours on this core are no part of it
        stream.push(codes)
        times.append(1000 * (time.thread_time() - start_s))
    return median(times)


def tell(path: Path, options: argparse.Namespace, *, decoder_ms: float, refused: dict[str, str]) -> bool:
    """Print and save what was found; whether every bar that was measured holds."""
    rows = rows_in(path, options)
    by_setting = {setting.name: [row for row in rows if row["setting"] == setting.name] for setting in SETTINGS}
    measured_settings = [setting for setting in SETTINGS if by_setting[setting.name]]
    found = [summary(by_setting[setting.name], setting, decoder_ms=decoder_ms) for setting in measured_settings]
    print(f"{machine()}; server on core {options.server_core}, client on core {options.client_core}\n")
    print(markdown(found), "\n")
    holds = not refused
    for each in found:
        for bar in each["bars"]:
            limit = f"at most {bar['at_most']:g}" if "at_most" in bar else f"at least {bar['at_least']:g}"
            here = "–" if bar["here"] is None else f"{bar['here']:.3g}"
            print(f"{'holds' if bar['holds'] else 'FAILS'}  {each['setting']}: {bar['bar']} {here} ({limit})")
            holds = holds and bar["holds"]
    about = {"machine": machine(), "split": options.split, "seed": options.seed, "refused": refused}
    about["load"] = median(row["load"] for row in rows) if rows else None
    (options.out / "latency.json").write_text(json.dumps({"about": about, "settings": found}, indent=1) + "\n")
    if found:
        draw(rows, found, options.out / "latency.png")
    return holds


def chosen(names: Sequence[str] | None) -> list[Setting]:
    by_name = {setting.name.split(" ")[0].rstrip(","): setting for setting in reversed(SETTINGS)}
    by_name["all-at-once"] = SETTINGS[-1]
    return list(SETTINGS) if names is None else [by_name[name] for name in names]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("semantic_vad", "server_vad", "manual", "all-at-once")
    parser.add_argument("--out", type=Path, default=Path("runs/latency"), metavar="FOLDER", help="turns, table, plot")
    parser.add_argument("--turns", type=int, default=120, help="of every setting (default: 120)")
    parser.add_argument("--settings", nargs="+", choices=names, help="(default: all)")
    parser.add_argument("--split", choices=("new", "train"), default="new", help='"train" is for choosing settings')
    parser.add_argument("--seed", type=int, default=0, help="other turns")
    parser.add_argument("--server-core", type=int, help="the core that the server is kept on (default: any)")
    parser.add_argument("--client-core", type=int, help="the core of the client")
    parser.add_argument("--command", choices=("talk", "serve"), default="serve", help="what starts the server")
    parser.add_argument("--url", help="of a server that runs already")
    parser.add_argument("--fresh", action="store_true", help="forget the turns that OUT has")
    return parser.parse_args()


if __name__ == "__main__":
    main()
