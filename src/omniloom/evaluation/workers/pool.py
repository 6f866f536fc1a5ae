"""Rows scored side by side: processes that each have the model, the judge of speech and the world.

Rows do not depend on each other, and one process that decodes many small steps leaves cores idle.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omniloom.core.processes import one_thread_each
from omniloom.data.problems import Mixture, Split
from omniloom.data.speech.listener import Listener
from omniloom.evaluation.report import CellScore, SpeakerScore
from omniloom.evaluation.rows import ScoredRow
from omniloom.evaluation.scoring import score_row
from omniloom.evaluation.speakers import score_speakers
from omniloom.evaluation.suites.items import Items, Value
from omniloom.evaluation.workers.identity import identity, judge_identity
from omniloom.generation import Omni, Precision


@contextmanager
def row_workers(
    checkpoint: str | Path, listener: Path | None, processes: int, *, precision: Precision = "float32"
) -> Iterator[ProcessPoolExecutor | None]:
    """A pool for `evaluate`, or None for one process, which is this one.

    Raises:
        ValueError: If there is to be less than one.
        ConnectionError: If one of them ends early, as where memory is short.
    """
    if processes == 1:
        yield None
        return
    try:
        with one_thread_each(processes, _start, str(checkpoint), listener, precision) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise ConnectionError(
            f"one of {processes} scoring processes has ended, perhaps for want of memory; take fewer with --processes"
        ) from error


def identities_in_worker() -> tuple[str, str]:
    """Of the model and of the listener of this process."""
    assert _worker is not None
    return identity(_worker.omni), judge_identity(_worker.listener)


def score_row_in_worker(
    row: ScoredRow, split: Split, *, limit: int, seed: int, known: Mapping[str, Value]
) -> tuple[CellScore, dict[str, Value]]:
    """`score_row` with the model of this process, and the replies that it had to ask for; `known` are kept already."""
    assert _worker is not None
    kept = Items(None, suite="world", subject="", settings={})
    for key, value in known.items():
        kept.add(key, value)
    found = score_row(
        _worker.omni, _worker.world, row, split, limit=limit, seed=seed, listener=_worker.listener, kept=kept
    )
    return found, {key: value for key, value in kept.starting_with("").items() if key not in known}


def score_speakers_in_worker() -> list[SpeakerScore]:
    """`score_speakers` with the model of this process."""
    assert _worker is not None
    return score_speakers(_worker.omni, listener=_worker.listener)


@dataclass
class _Worker:
    omni: Omni
    listener: Listener
    world: Mixture


_worker: _Worker | None = None


def _start(checkpoint: str, listener: Path | None, precision: Precision) -> None:
    global _worker
    # What was asked to stop says so in the first process alone; a row that is broken off is scored anew.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _worker = _Worker(Omni.load(checkpoint, precision=precision), Listener.load(listener), Mixture())
