"""The shipped model end to end on one thread, before and after: decoding, its codecs, and whole replies.

    python benchmarks/generation/bench_tiny.py                          # before: torch alone, no native operator
    python benchmarks/generation/bench_tiny.py --before v0.1            # before: that revision of this repository
    python benchmarks/generation/bench_tiny.py --quick --json FILE

Each side is a process of its own, and they take turns, one job at a time, so that both meet the same neighbours. A
revision is checked out beside this one and its native library compiled, about two minutes. A job is timed by what its
thread spent on a core; its ratio is taken turn by turn. Both sides must answer with the same tokens, pictures within a
256th and sounds within 1e-4, which is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WHOLE = ("text to text", "text to speech", "text to picture", "speech to speech", "picture to speech", "film to text")
PARTS = ("64 sums at once", "sound to codes", "codes to sound", "picture to codes", "codes to picture")
QUICK = ("text to text", "text to picture", "codes to sound")
MIN_RATIO = 1.3


def jobs() -> dict[str, Callable[[], Any]]:
    """What is timed, by name; each gives what it came to, for the comparison of both sides."""
    import torch

    from omniloom.generation import Omni
    from omniloom.stream.parts import Video

    torch.set_num_threads(1)
    omni = Omni.load("tiny")
    codecs = omni.codecs
    spoken, drawn = omni.reply("who are you?", "audio").audio, omni.reply("draw a red circle", "image").image
    assert spoken is not None
    assert drawn is not None
    sounds, codes = codecs.audio.encode(spoken), codecs.image.encode(drawn)
    film = Video(drawn.pixels.expand(8, *drawn.pixels.shape), 8.0)
    sums = [f"what is {a} plus {b}?" for a in range(1, 9) for b in range(1, 9)]
    prompts = {
        "text to text": ("what is 3 plus 4?", "text"),
        "text to speech": ("what is 3 plus 4?", "audio"),
        "text to picture": ("draw a red circle", "image"),
        "speech to speech": ([spoken], "audio"),
        "picture to speech": ([drawn, "what is this?"], "audio"),
        "film to text": ([film, "what happens?"], "text"),
    }
    return {
        **{name: lambda asked=asked: list(omni.reply(*asked).ids) for name, asked in prompts.items()},
        "64 sums at once": lambda: [list(reply.ids) for reply in omni.reply_batch(sums, "text")],
        "sound to codes": lambda: codecs.audio.encode(spoken),
        "codes to sound": lambda: codecs.audio.decode(sounds).samples.tolist(),
        "picture to codes": lambda: codecs.image.encode(drawn),
        "codes to picture": lambda: codecs.image.decode(codes).pixels.flatten().tolist(),
    }


def serve(source: Path) -> None:
    """Answer names of jobs on standard input by seconds and result, with the package as `source` has it."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__.lower()]
    sys.path.insert(0, str(source))
    import omniloom

    assert Path(omniloom.__file__).is_relative_to(source), f"{omniloom.__file__} is not from {source}"
    found = jobs()
    for line in sys.stdin:
        start = time.thread_time()
        result = found[line.strip()]()
        print(json.dumps([time.thread_time() - start, result]), flush=True)


class Side:
    """A process that does jobs with one state of the package."""

    def __init__(self, source: Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(source)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, job: str) -> tuple[float, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{job}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a side ended at the job {job!r}; see what it said above")
        seconds, result = json.loads(answer)
        return seconds, result

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def revision(name: str) -> Iterator[Path]:
    """The sources of a revision, compiled, for a while."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--detach", str(tree), name], check=True)
        try:
            build = tree / "src" / "omniloom" / "kernels" / "build.py"
            subprocess.run([sys.executable, str(build)], check=True)
            yield tree / "src"
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


def far_apart(job: str, before: Any, after: Any) -> bool:
    """Whether the two sides came to something else."""
    if job not in ("codes to sound", "codes to picture"):
        return bool(before != after)
    limit = 1e-4 if job == "codes to sound" else 1
    return len(before) != len(after) or max(abs(a - b) for a, b in zip(before, after, strict=True)) > limit


def compare(before: Side, after: Side, *, names: tuple[str, ...], num_rounds: int) -> list[dict[str, Any]]:
    from omniloom.core.timing import Timings

    rows = []
    for name in names:
        seconds: dict[str, list[float]] = {"before": [], "after": []}
        results = [side.do(name)[1] for side in (before, after)]  # warm
        for _ in range(num_rounds):
            seconds["before"].append(before.do(name)[0])
            seconds["after"].append(after.do(name)[0])
        timings = Timings(seconds={side: tuple(found) for side, found in seconds.items()})
        ratio = timings.ratio("before", "after")
        differs = far_apart(name, *results)
        row = {"job": name, "before_ms": 1000 * timings.typical("before"), "after_ms": 1000 * timings.typical("after")}
        rows.append({**row, "ratio": ratio, "is_same": not differs})
        told = "" if not differs else " (another result!)"
        print(f"| {name} | {row['before_ms']:.1f} | {row['after_ms']:.1f} | **{ratio}**{told} |", flush=True)
    return rows


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    from omniloom.reproductions.result import machine

    names = QUICK if options.quick else (*WHOLE, *PARTS)
    num_rounds = 2 if options.quick else options.rounds
    here = ROOT / "src"
    print(f"{machine()}; one thread; before: {options.before or 'torch alone'}\n")
    print("| job | before, ms | after, ms | before / after |\n|---|---|---|---|", flush=True)
    if options.before:
        with revision(options.before) as source:
            return compared(Side(source), Side(here), names, num_rounds)
    return compared(Side(here, OMNILOOM_ISA="reference"), Side(here), names, num_rounds)


def compared(before: Side, after: Side, names: tuple[str, ...], num_rounds: int) -> list[dict[str, Any]]:
    try:
        return compare(before, after, names=names, num_rounds=num_rounds)
    finally:
        before.close()
        after.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="REVISION", help="of this repository; torch without operators by default")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three jobs, two rounds: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    rows = run(options)
    whole = [row["ratio"].value for row in rows if row["job"] in WHOLE]
    if whole:
        print(f"\nwhole replies: {min(whole):.2f} times at least, {max(whole):.2f} at most (bar: {MIN_RATIO})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
