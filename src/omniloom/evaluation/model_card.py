"""The model card: what a checkpoint is, what it was trained on, and what it scores, written from files and never typed.

A card that is typed is wrong after the next training. Here the scores come from `scores.json`, the sizes from the
weights' headers, and the training facts from what the recipe recorded; what was not recorded is not in the card.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from omniloom.core.checkpoint import MANIFEST, write_folder
from omniloom.data.problems import Transcriber
from omniloom.evaluation.codecs import measure_codecs
from omniloom.evaluation.report import WorldReport
from omniloom.evaluation.table import (
    CELL_COLUMNS,
    CODEC_COLUMNS,
    LANGUAGE_COLUMNS,
    MIXED_COLUMNS,
    SKIPPED_COLUMNS,
    SPEAKER_COLUMNS,
    TURN_COLUMNS,
    UNKNOWN_COLUMNS,
    Rows,
    cell_rows,
    codec_rows,
    language_rows,
    markdown_table,
    mixed_rows,
    speaker_rows,
    turn_rows,
    unknown_rows,
)
from omniloom.evaluation.turn_ends import knows_turn_ends, measure_turns
from omniloom.evaluation.world import evaluate
from omniloom.generation import Omni

SCORES_FILE = "scores.json"
FACTS = "training"
"""Where in the scores file a recipe leaves what it did."""

CARD_FILE = "README.md"

ABOUT = """\
One transformer over one stream of tokens, trained from nothing together with its codecs: it takes text, speech,
64x64 pictures and short clips in any mix and answers in text, speech and pictures. It knows a small world and nothing
else: scenes of coloured shapes that stand or move, sums, a closed list of words, spoken digits, and emoji.

## Limits

- It was made to study how such models work. It is no assistant: outside its world its answers mean nothing.
- Its voice and most voices it has heard are synthetic (espeak-ng); the human voices are the few speakers listed below,
  all reading digits in English, so it will hear other people worse.
- Pictures are read and drawn at 64x64 pixels, and photographs are not part of its world."""

READING = """\
*Score* is the share of replies right in whole, judged by words, by an independent recogniser of speech, and by a rule
reader of pictures. *Ceiling* is the same judgement of the reference reply after its codec's round trip, *majority* that
of always giving the most frequent answer, *shuffled* that of the model when its input is another example's. *Clear*
says whether the interval lies above both controls' intervals. *Refused* is the share of known inputs that the model
said it did not know. *New*: renderings, voices, takes and wordings not trained on; *composed*: parts that were trained
on, never together."""

READING_MIXED = """\
Each needs all of its inputs. *Guessed* is the most frequent answer, or the most frequent to each kind of question where
that is more; *without* is the score when only that input is another example's (of a conversation, the turns that hold
it). *Needs all* says whether taking away either leaves no more than guessing."""

READING_LANGUAGES = "The same tasks asked and answered in both; the gap is what French scores less, of its ceiling."

READING_TURNS = """\
Sentences with pauses of 0.3 to 1.0 s where they are incomplete. *Cut-ins* were decided before the speaker had said all,
*missed* not within 800 ms after. One setting for all, chosen on voices of training; silero on the same sounds."""


def save_with_scores(
    folder: str | Path, report: WorldReport, *, name: str | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Rewrite a checkpoint folder with its scores and its card; whole, like any checkpoint.

    `facts` are the training facts by their names (minutes, steps, machine …); without them, those that the recipe
    left in the scores file stay. `name` is what the card calls the model; without it, the folder's own.
    """
    source = Path(folder)
    known = _read(source / SCORES_FILE).get(FACTS, {}) if (source / SCORES_FILE).is_file() else {}

    def write(target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)
        (target / MANIFEST).unlink()  # written anew; those of the codecs' own folders stay
        (target / CARD_FILE).unlink(missing_ok=True)
        scores = report.to_json() | {FACTS: dict(known if facts is None else facts)}
        (target / SCORES_FILE).write_text(json.dumps(scores, indent=1, default=str) + "\n", encoding="utf-8")
        (target / CARD_FILE).write_text(model_card(target, name=name or source.name), encoding="utf-8")

    return write_folder(source, write)


def score_checkpoint(
    folder: str | Path,
    *,
    listener: Transcriber,
    name: str | None = None,
    limit: int = 300,
    seed: int = 0,
    pool: Executor | None = None,
) -> WorldReport:
    """Evaluate the model in a folder, its codecs included, and leave scores and card in the folder.

    What is done is kept beside the folder until all is, so that it goes on where it was stopped. A `pool` of
    `workers.row_workers` scores the rows of the world.
    """
    path = Path(folder)
    omni = Omni.load(path)
    beside = path.with_name(f"{path.name}-scores.json")
    world = evaluate(omni, limit=limit, seed=seed, listener=listener, out=beside, pool=pool)
    turns = measure_turns(omni, limit=limit, seed=seed).to_json() if knows_turn_ends(omni) else {}
    report = replace(world, codecs=measure_codecs(omni.codecs, listener, limit=limit), turns=turns)
    save_with_scores(path, report, name=name)
    beside.unlink()
    return report


def model_card(folder: str | Path, *, name: str | None = None) -> str:
    """The card of a checkpoint folder, as Markdown.

    Raises:
        ValueError: If it has not been evaluated.
    """
    path = Path(folder)
    scores = _read(path / SCORES_FILE) if (path / SCORES_FILE).is_file() else {}
    if "cells" not in scores:
        raise ValueError(f"{path} has no scores; evaluate it with omniloom evaluate world, then save_with_scores")
    report = WorldReport.from_json(scores)
    sections = [
        f"# omniloom {name or path.name}",
        ABOUT,
        "## Size",
        markdown_table(("part", "parameters", "megabytes"), _sizes(path)),
        *_facts(scores.get(FACTS, {})),
        *_scores(report),
    ]
    settings = ", ".join(f"{key} {value}" for key, value in report.settings.items())
    sections.append(f"Made by `omniloom evaluate world` ({settings}).")
    return "\n\n".join(sections) + "\n"


def _scores(report: WorldReport) -> list[str]:
    """Every table that has rows, under its heading and how to read it."""
    tables: list[tuple[str, str, Sequence[str], Rows]] = [
        ("Scores", READING, CELL_COLUMNS, cell_rows(report.of_kind("cell"))),
        ("Mixed questions", READING_MIXED, MIXED_COLUMNS, mixed_rows(report.of_kind("mixed"))),
        (
            "What it does not know",
            "Things outside its world, silence and noise: how often it says what it knows and makes nothing up.",
            UNKNOWN_COLUMNS,
            unknown_rows(report.of_kind("unknown")),
        ),
        ("English and French", READING_LANGUAGES, LANGUAGE_COLUMNS, language_rows(report.cells)),
        ("Ends of turns", READING_TURNS + _turn_setting(report.turns), TURN_COLUMNS, turn_rows(report.turns)),
        (
            "Human voices",
            "Digits of held-out takes, every speaker: named in writing, and said back when heard alone.",
            SPEAKER_COLUMNS,
            speaker_rows(report.speakers),
        ),
        (
            "Codecs",
            "Pictures and words read right as they are, and after the codec's round trip.",
            CODEC_COLUMNS,
            codec_rows(report.codecs),
        ),
        ("Not scored", "What this model was not made for.", SKIPPED_COLUMNS, list(report.skipped.items())),
    ]
    sections = []
    for title, reading, columns, rows in tables:
        if rows:
            sections += [f"## {title}", reading, markdown_table(columns, rows)]
    return sections


def _turn_setting(turns: Mapping[str, Any]) -> str:
    """The setting, and on what it was chosen; nothing of scores that do not tell."""
    if not (setting := turns.get("setting")):
        return ""
    made = ", ".join(f"{name} {value}" for name, value in turns.get("settings", {}).items())
    frames = f"{setting['num_frames']} frame{'s' if setting['num_frames'] > 1 else ''}"
    return f" It is {frames} of at least {setting['threshold']:g}" + (f" ({made})." if made else ".")


def num_parameters(path: str | Path) -> int:
    """Numbers in a safetensors file, read from its header alone."""
    with Path(path).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(math.prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")


def _sizes(folder: Path) -> list[tuple[str, ...]]:
    files = sorted(folder.rglob("*.safetensors"))
    rows = [
        (path.relative_to(folder).as_posix(), f"{num_parameters(path):,}", f"{path.stat().st_size / 1e6:.1f}")
        for path in files
    ]
    total_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [*rows, ("whole folder", f"{sum(map(num_parameters, files)):,}", f"{total_bytes / 1e6:.1f}")]


def _facts(facts: Mapping[str, Any]) -> list[str]:
    rows = [(name.replace("_", " "), _shown(value)) for name, value in _flat(facts)]
    return ["## Training", markdown_table(("fact", "value"), rows)] if rows else []


def _flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        rows += _flat(value, f"{prefix}{name}: ") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a scores file; write it with save_with_scores")
    return found
