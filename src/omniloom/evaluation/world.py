"""The world on two splits that training never saw: the twelve cells, the mixed tasks, and what is not known.

Every number stands beside what it means: the ceiling of the reply's codec (see `round_trip`), the majority baseline,
and the same model with shuffled inputs. Replies are greedy, so a model has one score and not a spread of them. Rows may
be shared among processes. Every reply's judgement is kept in a results file, so that an evaluation that was stopped
goes on where it was; of another model, judge or seed the file is refused. A served model is asked through the wire, and
its replies are kept one by one. Rows that a model cannot be asked, as an older one that knows no video, are left out
with a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import replace
from pathlib import Path

from omniloom.core.progress import Progress
from omniloom.data.problems import Mixture, Split, Transcriber
from omniloom.evaluation.report import CellScore, SpeakerScore, WorldReport
from omniloom.evaluation.rows import ScoredRow, World, has_video, rows_of
from omniloom.evaluation.scoring import Talker, row_key, score_row
from omniloom.evaluation.speakers import score_speakers
from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.workers import (
    identities_in_worker,
    identity,
    judge_identity,
    score_row_in_worker,
    score_speakers_in_worker,
)

DEFAULT_LIMIT = 300

TESTED_SPLITS: tuple[Split, ...] = ("new", "composed")


def evaluate(
    omni: Talker,
    *,
    limit: int = DEFAULT_LIMIT,
    cells: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    splits: Sequence[Split] = TESTED_SPLITS,
    seed: int = 0,
    listener: Transcriber,
    out: str | Path | None = None,
    results: str | Path | None = None,
    speakers: bool = True,
    pool: Executor | None = None,
) -> WorldReport:
    """Score these cells and single tasks, or without either all there is to score, mixed tasks included.

    Replies that are judged are kept in `results`, and not asked for again; with `out`, the report is written there, and
    what is done is kept beside it meanwhile. With a `pool` of `workers.row_workers`, they do the work, with a model and
    a listener of their own.

    Raises:
        ValueError: If a cell, task or split is unknown, `limit` is not positive, the pool has another model, or
            `results` are another evaluation's.
    """
    _check(splits, limit)
    world = Mixture()
    rows, skipped = _askable(omni, world, rows_of(world, cells=cells, tasks=tasks))
    model, judge = identity(omni), judge_identity(listener)
    if pool is not None and pool.submit(identities_in_worker).result() != (model, judge):
        raise ValueError("the processes have loaded another model or listener than this one; start again")
    beside = None if out is None or results is not None else Path(out).with_name(Path(out).name + ".partial")
    file = beside if results is None else results
    kept = Items(file, suite="world", subject=model, settings={"seed": seed, "listener": judge})
    jobs = [(row, split) for split in splits for row in rows]
    heard = pool.submit(score_speakers_in_worker) if speakers and pool is not None else None
    found: dict[tuple[str, str, str], CellScore] = {}
    with Progress("world", total=len(jobs), unit="row") as progress:
        for cell in _scored(omni, world, jobs, limit=limit, seed=seed, listener=listener, kept=kept, pool=pool):
            found[cell.kind, cell.name, cell.split] = cell
            progress.advance(1, {"last": f"{cell.name} {cell.split} {cell.score:.3f}"})
    voices: Sequence[SpeakerScore] = ()
    if speakers:
        voices = heard.result() if heard is not None else score_speakers(omni, listener=listener, kept=kept)
    chosen = [found[row.kind, row.name, split] for row, split in jobs]
    report = WorldReport(
        cells=chosen,
        speakers=voices,
        skipped=skipped,
        settings={"limit": limit, "seed": seed, "model": model, "listener": judge},
        num_kept=kept.num_kept,
        num_asked=kept.num_asked,
    )
    if out is not None:
        report.save(out)
        if beside is not None:
            beside.unlink(missing_ok=True)
    return report


def _scored(
    omni: Talker,
    world: World,
    jobs: Sequence[tuple[ScoredRow, Split]],
    *,
    limit: int,
    seed: int,
    listener: Transcriber,
    kept: Items,
    pool: Executor | None,
) -> Iterator[CellScore]:
    """The rows as they are done, here or by the pool; what was asked for is kept."""
    if pool is None:
        for row, split in jobs:
            yield score_row(omni, world, row, split, limit=limit, seed=seed, listener=listener, kept=kept)
        return
    futures = [
        pool.submit(
            score_row_in_worker,
            row,
            split,
            limit=limit,
            seed=seed,
            known=kept.starting_with(row_key(row, split)),
        )
        for row, split in jobs
    ]
    for future in as_completed(futures):
        cell, new = future.result()
        for key, value in new.items():
            kept.add(key, value)
        yield cell


def _askable(omni: Talker, world: World, rows: Sequence[ScoredRow]) -> tuple[list[ScoredRow], dict[str, str]]:
    """The rows that this model can be asked, and why not the others."""
    knows_video = getattr(getattr(omni, "vocabulary", None), "has_video", True)
    cells_with_tasks = {task.cell for task in world.tasks if task.weight > 0}
    kept, skipped = [], {}
    for asked in rows:
        row = asked if knows_video else _without_video(asked, world)
        if row is None:
            skipped[asked.name] = "not of this model: it was made before videos"
        elif not row.tasks and row.name not in cells_with_tasks:
            skipped[row.name] = "the world has no task of this direction"
        else:
            kept.append(row)
    return kept, skipped


def _without_video(row: ScoredRow, world: World) -> ScoredRow | None:
    """The row with those of its tasks that show none; None where nothing is left of it."""
    if "video" in row.inputs:
        return None
    kept = tuple(task for task in row.tasks if not has_video(world.example("new", 0, task.name).prompt))
    return None if row.tasks and not kept else replace(row, tasks=kept)


def _check(splits: Sequence[str], limit: int) -> None:
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    unknown = [name for name in splits if name not in TESTED_SPLITS]
    if unknown or not splits:
        raise ValueError(f"splits must be of {', '.join(TESTED_SPLITS)}, got {', '.join(unknown) or 'none'}")
