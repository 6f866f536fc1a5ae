"""What every `omniloom train` does, whatever is trained: keep runs apart, and let one of several processes speak."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omniloom.cli.program import EXIT_STOPPED


def place_among_processes() -> tuple[int, int]:
    """This process's rank and how many there are, as torchrun says; 0 of 1 without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def carry_out(name: str, run: Callable[..., Path], config: Any, *, out: Path, is_resuming: bool, then: str = "") -> int:
    """Train by a configuration in a folder, and say what was written, and by which command it is tried.

    Raises:
        ValueError: If the folder holds another run, or none to resume.
        KeyboardInterrupt: If it was asked to stop.
    """
    rank, _ = place_among_processes()
    if rank == 0:
        check_folder(out, is_resuming=is_resuming)
    try:
        written = run(config, out=out, is_resuming=is_resuming)
    except KeyboardInterrupt:
        if rank == 0:
            raise
        return EXIT_STOPPED
    if rank == 0:
        print(f"trained {name}: {written}" + (f"\nnow: {then} {written}" if then else ""))
    return 0


def check_folder(out: Path, *, is_resuming: bool) -> None:
    """Refuse to mix two runs in one folder, or to resume what is not there.

    Raises:
        ValueError: Saying which of the two it is, and what to do.
    """
    has_run = out.is_dir() and any(out.iterdir())
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; give a folder")
    if has_run and not is_resuming:
        raise ValueError(f"{out} holds a run already; add --resume to go on with it, or give another --out")
    if is_resuming and not has_run:
        raise ValueError(f"{out} holds no run to resume; leave --resume out to start one")
