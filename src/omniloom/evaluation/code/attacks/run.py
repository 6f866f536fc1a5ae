"""The attacks on the sandbox, run as a user would run a model's programs: each must be contained and fail.

`attacks.txt` is after the host: network, processes, memory, disk, signals, files, the kernel. Each says in its first
line how it must end, and would pass its test if it succeeded. `forgers.txt` is after the verdict: objects equal to
everything, `os._exit(0)`, patched builtins and tests, words on stdout; the test is one that nobody passes who does not
know its answers. The tests of `omniloom.sandbox` run the same programs and look at the host besides.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from omniloom.sandbox import Job, Limits, Result, run_many


def read_programs(name: str) -> dict[str, str]:
    """The programs of a file beside this one, each under a line `=== its name`."""
    text = files("omniloom.evaluation.code.attacks").joinpath(name).read_text(encoding="utf-8")
    parts = text.split("=== ")[1:]
    return {title: source for title, _, source in (part.partition("\n") for part in parts)}


ATTACKS = read_programs("attacks.txt")
FORGERS = read_programs("forgers.txt")

ATTACK_TEST = "assert solve() == 'it worked'"
"""Passed by an attack that succeeds and by no other."""

SECRET_TEST = """
assert solve([7]) == 'the secret 83741'
assert list(map(lambda x: solve([x]) == x * 1000003, [5, 9])) == [True, True]
"""

LIMITS = Limits(wall_s=10.0, memory_bytes=256 << 20, disk_bytes=8 << 20)
HASTY = replace(LIMITS, wall_s=1.0)
"""For attacks that would never end."""

ONLY_X86 = ("a 32-bit call",)
"""Only x86-64 has a second table of system calls."""


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """How an attack ended; `is_contained` if it failed, and in the way that is meant for it where one is."""

    name: str
    told: str
    is_contained: bool


def expected_end(program: str) -> str:
    """The pattern that an attack's end must match, from its first line."""
    return program.partition("\n")[0].removeprefix("# ")


def limits_of(expected: str) -> Limits:
    """An attack that is meant to time out gets little time."""
    return HASTY if expected.startswith("timed_out") else LIMITS


def ended(result: Result) -> str:
    """How a run ended, as the patterns say it."""
    return f"{result.outcome} {result.signal}{result.error_type} {result.message}"


def run_attacks(names: Sequence[str] | None = None, *, num_workers: int | None = None) -> list[Attacked]:
    """Run the named programs, or all, contained; shows progress.

    Raises:
        ValueError: If there is no such program.
        SandboxUnavailable: If nothing contains programs here: attacks are never run uncontained.
    """
    programs = {name: (source, expected_end(source), ATTACK_TEST) for name, source in ATTACKS.items()}
    programs |= {f"verdict: {name}": (source, "", SECRET_TEST) for name, source in FORGERS.items()}
    if platform.machine() != "x86_64":
        programs = {name: own for name, own in programs.items() if name not in ONLY_X86}
    chosen = list(programs) if names is None else list(names)
    if unknown := [name for name in chosen if name not in programs]:
        raise ValueError(f"there is no attack {unknown[0]!r}; there are {', '.join(programs)}")
    jobs = [
        Job(program=source, test=test, limits=limits_of(expected))
        for source, expected, test in (programs[name] for name in chosen)
    ]
    results = run_many(jobs, num_workers=num_workers, title="attacks")
    return [
        Attacked(
            name=name,
            told=ended(result).strip()[:120],
            is_contained=not result.passed and bool(re.match(programs[name][1], ended(result))),
        )
        for name, result in zip(chosen, results, strict=True)
    ]
