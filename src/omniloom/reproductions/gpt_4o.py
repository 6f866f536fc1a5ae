"""GPT-4o in miniature: one network from any mix of text, audio, image and video to text, audio and image.

The system card (OpenAI 2024) claims two things that can be tested on a model of any size: every direction in one
network trained end to end, and answers to speech within 232 ms at best and 320 ms on average. Here each direction has
two rows, on what is *new* and on what is *composed*, as has each mixed question; and the latencies are measured on this
machine, from the speaker's last word to the first sound, the wait for the end of the turn included.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from omniloom.data.problems import CELLS, Mixture, Transcriber
from omniloom.data.speech.listener import Listener
from omniloom.evaluation.report import CellScore, WorldReport
from omniloom.evaluation.rows import rows_of
from omniloom.evaluation.turn_ends import knows_turn_ends, measure_turns
from omniloom.evaluation.world import TESTED_SPLITS, evaluate
from omniloom.generation import Omni
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.first_sound import FirstSound, measure_first_sounds, spoken_questions
from omniloom.reproductions.result import Result, Row

SYSTEM = "gpt-4o"
PAPER = "GPT-4o System Card (OpenAI, August 2024), section 1"

NEW_OF_CEILING, COMPOSED = 0.85, 0.70
BEST_MS, MEAN_MS = 232.0, 320.0

QUICK_CELLS = ("text-to-text", "image-to-audio", "audio-to-image")
QUICK_LIMIT, QUICK_QUESTIONS = 16, 12
QUESTIONS = 60


def reproduce(
    *, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "tiny", listener: Transcriber | None = None
) -> Result:
    """Every direction, every mixed question and the latencies of a checkpoint.

    Usually the scores are those in the checkpoint's folder; "quick" measures a few directions, "full" all of them.

    Raises:
        ValueError: If the checkpoint has no scores and they are not to be measured.
    """
    omni = Omni.load(checkpoint)
    report = _report(omni, effort, listener or Listener.load(), checkpoint)
    questions = spoken_questions(QUICK_QUESTIONS if effort == "quick" else QUESTIONS)
    latencies = measure_first_sounds(omni, questions, turns=report.turns)
    rows = [*direction_rows(report.cells), *latency_rows(latencies)]
    if out is not None:
        from omniloom.reproductions.gpt_4o_figure import draw

        draw(report.cells, latencies, out / "gpt-4o.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort, options=f" --checkpoint {checkpoint}")


def direction_rows(cells: Sequence[CellScore]) -> list[Row]:
    """Two rows for each cell and each mixed task of the world; those without a score are not tested."""
    mixed = [row.name for row in rows_of(Mixture()) if row.kind == "mixed"]
    mixed += [cell.name for cell in cells if cell.kind == "mixed" and cell.name not in mixed]
    found = {(cell.kind, cell.name, cell.split): cell for cell in cells}
    rows = [_direction_row(name, split, found.get(("cell", name, split))) for name in CELLS for split in TESTED_SPLITS]
    return rows + [
        _direction_row(name, split, found.get(("mixed", name, split))) for name in mixed for split in TESTED_SPLITS
    ]


def latency_rows(latencies: Sequence[FirstSound]) -> list[Row]:
    """At best and on average, from the last word; and without the wait, for which the card has no number."""
    after_speech = [item.after_speech_ms for item in latencies if item.after_speech_ms is not None]
    after_commit = [item.after_commit_ms for item in latencies]
    found: list[tuple[str, str, float, float | None]] = [
        ("last word to first sound, best", "232 ms", BEST_MS, min(after_speech, default=None)),
        ("last word to first sound, mean", "320 ms", MEAN_MS, fmean(after_speech) if after_speech else None),
        ("commit to first sound, median", "–", BEST_MS, median(after_commit) if after_commit else None),
    ]
    return [
        Row(
            name=name,
            paper=paper,
            bar=f"≤ {bar:.0f} ms",
            here=None if value is None else f"{value:.0f} ms of {len(after_speech)} answers",
            is_reached=value is not None and value <= bar,
        )
        for name, paper, bar, value in found
    ]


def _direction_row(name: str, split: str, cell: CellScore | None) -> Row:
    is_new = split == "new"
    bar = f"≥ {NEW_OF_CEILING:.2f} of ceiling" if is_new else f"≥ {COMPOSED:.2f}"
    row: dict[str, Any] = {"name": f"{name}, {split}", "paper": "any to any", "bar": bar}
    if cell is None:
        return Row(**row, here=None)
    reached = cell.score >= (NEW_OF_CEILING * cell.ceiling if is_new else COMPOSED)
    notes = [] if cell.is_above_controls else ["not above controls"]
    if cell.without and not cell.needs_all_inputs:
        notes.append("does not need every input")
    value = f"{cell.score / cell.ceiling:.3f} of ceiling" if is_new and cell.ceiling > 0 else f"{cell.score:.3f}"
    return Row(**row, here=", ".join([f"{value} (n {cell.n})", *notes]), is_reached=reached and not notes)


def _report(omni: Omni, effort: Effort, listener: Transcriber, checkpoint: str) -> WorldReport:
    if effort == "full":
        report = evaluate(omni, listener=listener, speakers=False)
        turns = measure_turns(omni).to_json() if knows_turn_ends(omni) else {}
        return WorldReport(cells=report.cells, turns=turns)
    turns = omni.scores.get("turns", {})
    if effort == "quick":
        cells = evaluate(
            omni, limit=QUICK_LIMIT, cells=QUICK_CELLS, splits=["new"], listener=listener, speakers=False
        ).cells
        return WorldReport(cells=cells, turns=turns)
    if "cells" not in omni.scores:
        raise ValueError(
            f"{checkpoint} has no scores; measure it with omniloom evaluate card --checkpoint {checkpoint}, or add "
            "--full here"
        )
    return WorldReport.from_json(omni.scores)
