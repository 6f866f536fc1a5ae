"""Reports as people read them: tables for the terminal and the same rows in Markdown for cards and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from omniloom.evaluation.intervals import MARKED, Method, wilson
from omniloom.evaluation.report import Ceiling, CellScore, LanguageScore, SpeakerScore, TaskScore, WorldReport

if TYPE_CHECKING:
    from omniloom.data.speech.listener_measure import Heard

CELL_COLUMNS = (
    "cell", "split", "n", "score", "95 % interval", "ceiling", "of ceiling", "majority", "shuffled", "clear", "refused",
)  # fmt: skip
MIXED_COLUMNS = (
    "task", "inputs", "split", "n", "score", "95 % interval", "of ceiling", "guessed", "shuffled", "without",
    "needs all",
)  # fmt: skip
UNKNOWN_COLUMNS = ("task", "inputs", "split", "n", "honest answer", "95 % interval")
LANGUAGE_COLUMNS = ("cell", "split", "English n", "English", "French n", "French", "95 % interval", "gap")
TURN_COLUMNS = ("detector", "language", "n", "cut-ins", "missed", "within 160 ms", "median delay")
SKIPPED_COLUMNS = ("what", "why not")
TASK_COLUMNS = ("cell", "split", "task", "n", "score", "ceiling", "right in part")
CODEC_COLUMNS = ("codec", "what", "n", "direct", "after", "95 % interval")
SPEAKER_COLUMNS = ("speaker", "n", "written", "95 % interval", "spoken")
LISTENER_COLUMNS = ("what", "n", "exact", "95 % interval", "word error")

NAMES = (
    "cell", "split", "task", "speaker", "codec", "what", "inputs", "detector", "language", "without", "why not",
    "suite", "row", "takes", "needs", "unit", "note",
)  # fmt: skip
"""Columns of words, which stand to the left."""

Rows = Sequence[tuple[str, ...]]


def world_table(report: WorldReport) -> Group:
    """The cells, the mixed tasks and all else that was measured, for the terminal."""
    return Group(*(rich_table(title, columns, rows) for title, columns, rows in world_tables(report)))


def world_tables(report: WorldReport) -> list[tuple[str, Sequence[str], Rows]]:
    """Title, columns and rows of each table that has any."""
    tables: list[tuple[str, Sequence[str], Rows]] = [
        ("World", CELL_COLUMNS, cell_rows(report.of_kind("cell"))),
        ("Mixed: two inputs, both needed", MIXED_COLUMNS, mixed_rows(report.of_kind("mixed"))),
        ("What it does not know", UNKNOWN_COLUMNS, unknown_rows(report.of_kind("unknown"))),
        ("Language gap, on tasks asked in both", LANGUAGE_COLUMNS, language_rows(report.cells)),
        ("Single tasks", CELL_COLUMNS, cell_rows(report.of_kind("task"))),
        ("By task", TASK_COLUMNS, task_rows(report.of_kind("cell", "unknown"))),
        ("Human voices, held-out takes", SPEAKER_COLUMNS, speaker_rows(report.speakers)),
        ("Ends of turns, held-out voices", TURN_COLUMNS, turn_rows(report.turns)),
        ("Codecs, read right after the round trip", CODEC_COLUMNS, codec_rows(report.codecs)),
        ("Not scored", SKIPPED_COLUMNS, list(report.skipped.items())),
    ]
    return [table for table in tables if table[2]]


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
            yes_or_no(cell.is_above_controls),
            share(cell.refused) if cell.known else "–",
        )
        for cell in cells
    ]


def mixed_rows(cells: Sequence[CellScore]) -> Rows:
    """Each with its score when only that input is another example's."""
    return [
        (
            cell.name,
            cell.input,
            cell.split,
            str(cell.n),
            share(cell.score),
            interval(cell.score, cell.n),
            share(cell.score / cell.ceiling) if cell.ceiling > 0 else "–",
            share(max(cell.majority, cell.majority_by_kind or 0.0)),
            share(cell.shuffled),
            ", ".join(f"{name} {share(value)}" for name, value in cell.without.items()),
            yes_or_no(cell.needs_all_inputs) if cell.without else "–",
        )
        for cell in cells
    ]


def unknown_rows(cells: Sequence[CellScore]) -> Rows:
    return [
        (cell.name, cell.input, cell.split, str(cell.n), share(cell.score), interval(cell.score, cell.n))
        for cell in cells
    ]


def language_rows(cells: Sequence[CellScore]) -> Rows:
    """English beside French; the gap is what French scores less, each against its own ceiling."""
    rows: list[tuple[str, ...]] = []
    for cell in cells:
        if "en" not in cell.languages or "fr" not in cell.languages:
            continue
        english, french = cell.languages["en"], cell.languages["fr"]
        rows.append(
            (
                cell.name,
                cell.split,
                str(english.n),
                share(english.score),
                str(french.n),
                share(french.score),
                interval(french.score, french.n),
                share(language_gap(english, french)),
            )
        )
    return rows


def language_gap(english: LanguageScore, french: LanguageScore) -> float:
    """How much less French scores, of what its codec allows."""
    return english.score / max(english.ceiling, 1e-9) - french.score / max(french.ceiling, 1e-9)


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


def turn_rows(turns: Mapping[str, Any]) -> Rows:
    """Of a report on the ends of turns in its JSON form; none where there is none."""
    return [
        (
            score["detector"],
            score["language"],
            str(score["n"]),
            share(score["cut_ins"]),
            share(score["missed"]),
            share(score["within_160_ms"]),
            "–" if score["median_delay_ms"] is None else f"{score['median_delay_ms']:.0f} ms",
        )
        for score in turns.get("scores", ())
    ]


def _parts(task: TaskScore) -> str:
    return " ".join(f"{name} {value:.2f}" for name, value in task.parts.items())


def codec_rows(ceilings: Sequence[Ceiling]) -> Rows:
    return [(c.codec, c.what, str(c.n), share(c.direct), share(c.after), interval(c.after, c.n)) for c in ceilings]


def listener_rows(heard: Sequence[Heard]) -> Rows:
    return [(h.what, str(h.n), share(h.exact), interval(h.exact, h.n), share(h.word_error)) for h in heard]


def rich_table(title: str, columns: Sequence[str], rows: Rows) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        # Folded, for in a narrow terminal a word that does not fit would be cut off.
        table.add_column(column, justify="left" if column in NAMES else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def with_legend(table: Table, methods: Sequence[Method]) -> Table:
    """The table, with what its marks say beneath it where an interval has one."""
    table.caption_justify = "left"
    if "Wilson" in methods:
        table.caption = MARKED
    return table


def markdown_table(columns: Sequence[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(value: float) -> str:
    return f"{value:.3f}"


def yes_or_no(claim: bool) -> str:
    return "yes" if claim else "no"


def interval(mean: float, n: int) -> str:
    low, high = wilson(min(1.0, mean), n)
    return f"{low:.3f}–{high:.3f}"
