"""Reports as people read them: tables for the terminal and the same rows in Markdown for cards and pages."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table

from omniloom.data.speech.listener_measure import Heard
from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.report import Ceiling, CellScore, SpeakerScore, TaskScore, WorldReport

CELL_COLUMNS = (
    "cell", "split", "n", "score", "95 % interval", "ceiling", "of ceiling", "majority", "shuffled", "clear",
)  # fmt: skip
TASK_COLUMNS = ("cell", "split", "task", "n", "score", "ceiling", "right in part")
CODEC_COLUMNS = ("codec", "what", "n", "direct", "after", "95 % interval")
SPEAKER_COLUMNS = ("speaker", "n", "written", "95 % interval", "spoken")
LISTENER_COLUMNS = ("what", "n", "exact", "95 % interval", "word error")

NAMES = ("cell", "split", "task", "speaker", "codec", "what")
"""Columns of words, which stand to the left."""

Rows = Sequence[tuple[str, ...]]


def world_table(report: WorldReport) -> Group:
    """The cells, their tasks, the speakers and the codecs, for the terminal."""
    tables = [rich_table("World", CELL_COLUMNS, cell_rows(report.cells))]
    tables.append(rich_table("By task", TASK_COLUMNS, task_rows(report.cells)))
    if report.speakers:
        tables.append(rich_table("Human voices, held-out takes", SPEAKER_COLUMNS, speaker_rows(report.speakers)))
    if report.codecs:
        tables.append(rich_table("Codecs, read right after the round trip", CODEC_COLUMNS, codec_rows(report.codecs)))
    return Group(*tables)


def cell_rows(cells: Sequence[CellScore]) -> Rows:
    return [
        (
            cell.name,
            cell.split,
            str(cell.n),
            share(cell.score),
            interval(cell.score, cell.n),
            share(cell.ceiling),
            share(cell.score / cell.ceiling) if cell.ceiling > 0 else "–",
            share(cell.majority),
            share(cell.shuffled),
            "yes" if cell.is_above_controls else "no",
        )
        for cell in cells
    ]


def task_rows(cells: Sequence[CellScore]) -> Rows:
    return [
        (cell.name, cell.split, name, str(task.n), share(task.score), share(task.ceiling), _parts(task))
        for cell in cells
        for name, task in cell.tasks.items()
    ]


def speaker_rows(speakers: Sequence[SpeakerScore]) -> Rows:
    rows: list[tuple[str, ...]] = [
        (s.speaker, str(s.n), share(s.written), interval(s.written, s.n), share(s.spoken)) for s in speakers
    ]
    total = sum(s.n for s in speakers)
    if total:
        written = sum(s.written * s.n for s in speakers) / total
        spoken = sum(s.spoken * s.n for s in speakers) / total
        rows.append(("all", str(total), share(written), interval(written, total), share(spoken)))
    return rows


def _parts(task: TaskScore) -> str:
    return " ".join(f"{name} {value:.2f}" for name, value in task.parts.items())


def codec_rows(ceilings: Sequence[Ceiling]) -> Rows:
    return [(c.codec, c.what, str(c.n), share(c.direct), share(c.after), interval(c.after, c.n)) for c in ceilings]


def listener_rows(heard: Sequence[Heard]) -> Rows:
    return [(h.what, str(h.n), share(h.exact), interval(h.exact, h.n), share(h.word_error)) for h in heard]


def rich_table(title: str, columns: Sequence[str], rows: Rows) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in NAMES else "right")
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(columns: Sequence[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(value: float) -> str:
    return f"{value:.3f}"


def interval(mean: float, n: int) -> str:
    low, high = wilson(min(1.0, mean), n)
    return f"{low:.3f}–{high:.3f}"
