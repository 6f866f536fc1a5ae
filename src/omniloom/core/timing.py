"""How many times faster one thing is than another, on a machine that other people use too.

Things to compare take turns, a short while each, so that a neighbour's load meets all of them. A time is what the
calling thread spent on a core, not what passed on the wall: right for whatever runs on one thread, wrong for more.
The claim is a ratio, taken in each round by itself, with its spread. `machine` says where a figure was had.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as long the peer takes: the middle of all rounds, and the range that half of them lie in."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds a call of each thing compared, one number a round."""

    seconds: Mapping[str, tuple[float, ...]]

    def typical(self, name: str) -> float:
        """The median of its rounds, in seconds a call."""
        return median(self.seconds[name])

    def ratio(self, peer: str, ours: str) -> Ratio:
        """Above 1 where `ours` is faster than `peer`."""
        rounds = [theirs / mine for theirs, mine in zip(self.seconds[peer], self.seconds[ours], strict=True)]
        low, _, high = quantiles(rounds, n=4) if len(rounds) > 1 else (rounds[0],) * 3
        return Ratio(value=median(rounds), low=low, high=high)


def take_turns(
    things: Mapping[str, Callable[[], Any]],
    *,
    num_rounds: int = 15,
    round_s: float = 0.02,
    clock: Callable[[], float] = time.thread_time,
) -> Timings:
    """Time each thing in `num_rounds` turns of at least `round_s` of its own.

    Args:
        things: By name; each is called without arguments, and once before anything is measured.
        clock: Seconds that count; `time.perf_counter` for things that run on several threads.
    """
    calls = {name: _calls_in(thing, round_s, clock) for name, thing in things.items()}
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(num_rounds):
        for name, thing in things.items():
            start = clock()
            for _ in range(calls[name]):
                thing()
            seconds[name].append((clock() - start) / calls[name])
    return Timings(seconds={name: tuple(found) for name, found in seconds.items()})


def _calls_in(thing: Callable[[], Any], round_s: float, clock: Callable[[], float]) -> int:
    """How many calls fill a turn; the clock of a thread is too coarse for a short call by itself."""
    thing()
    calls = 1
    while True:
        start = clock()
        for _ in range(calls):
            thing()
        if (spent := clock() - start) >= round_s:
            return calls
        calls = max(calls + 1, min(4 * calls, int(1.2 * calls * round_s / max(spent, 1e-9))))


def machine() -> str:
    """This machine in a few words: its cores, processor and system."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.platform(terse=True)}"


def _processor() -> str:
    """The processor's own name where the system tells it (Linux), else its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
