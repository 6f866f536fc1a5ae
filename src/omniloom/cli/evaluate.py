"""`omniloom evaluate world`: the nine cells, each on two splits that training never saw.

`omniloom evaluate card` measures everything at once, codecs and human voices too, and leaves the numbers and a card in
the checkpoint's folder. `omniloom evaluate listener` measures no model but the ear that judges spoken replies: its own
errors stand under every score of speech.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.data.speech.listener_measure import Heard
    from omniloom.evaluation.report import WorldReport

SUMMARY = "Measure a model: every direction of {text, audio, image}, beside its ceiling and two controls."
EXAMPLES = (
    "omniloom evaluate world",
    "omniloom evaluate world --checkpoint runs/mine/checkpoint --limit 50 --json world.json",
    "omniloom evaluate world --cells audio-to-image image-to-text --splits new",
    "omniloom evaluate card --checkpoint runs/mine/checkpoint",
    "omniloom evaluate listener --limit 100      # how well the judge of speech hears by itself",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "what",
        choices=("world", "card", "listener"),
        metavar="world|card|listener",
        help="the nine cells; all, written into the folder; or the judge of speech",
    )
    parser.add_argument("--checkpoint", default="tiny", help="a shipped model's name or a folder (default: tiny)")
    parser.add_argument("--listener", type=Path, metavar="FOLDER", help="judge speech by this one, not the shipped one")
    parser.add_argument("--limit", type=positive_int, default=300, metavar="N", help="examples a cell (default: 300)")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="only these, as audio-to-text (default: all nine)")
    parser.add_argument("--splits", nargs="+", choices=("new", "composed"), help="only these (default: both)")
    parser.add_argument("--seed", type=int, default=0, help="another choice of examples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here; a stopped run goes on")


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    if options.what == "listener":
        from omniloom.evaluation.table import LISTENER_COLUMNS, listener_rows, rich_table

        rows = listener_rows(measure_listener(options))
        Console().print(rich_table("The listener, on speech it did not learn from", LISTENER_COLUMNS, rows))
        return 0

    from omniloom.data.problems import CELLS
    from omniloom.data.speech.listener import Listener
    from omniloom.evaluation.world import TESTED_SPLITS, evaluate
    from omniloom.generation import Omni

    if options.what == "card":
        Console().print(write_card(options).table())
        return 0
    report = evaluate(
        Omni.load(options.checkpoint),
        limit=options.limit,
        cells=options.cells or CELLS,
        splits=options.splits or TESTED_SPLITS,
        seed=options.seed,
        listener=Listener.load(options.listener),
        out=options.json,
    )
    Console().print(report.table())
    return 0


def write_card(options: argparse.Namespace) -> WorldReport:
    """Measure all of it and leave scores and card in the checkpoint's folder.

    Raises:
        ValueError: If only a part was asked for, which would make a card that hides the rest.
    """
    from omniloom.data.speech.listener import Listener
    from omniloom.evaluation.model_card import score_checkpoint
    from omniloom.generation.loading import find

    if options.cells or options.splits or options.json:
        raise ValueError("a card reports everything; leave out --cells, --splits and --json, or evaluate world")
    folder = find(options.checkpoint)
    return score_checkpoint(folder, listener=Listener.load(options.listener), limit=options.limit, seed=options.seed)


def measure_listener(options: argparse.Namespace) -> list[Heard]:
    """How well the listener hears clean speech, also written as JSON where that is asked for.

    Raises:
        ValueError: If an option was given that says something about a model.
    """
    from omniloom.data.speech import listener_measure
    from omniloom.data.speech.listener import Listener

    if options.cells or options.splits or options.seed or options.checkpoint != "tiny":
        raise ValueError(
            "--checkpoint, --cells, --splits and --seed belong to a model; leave them out for the listener"
        )
    found = listener_measure.measure_listener(Listener.load(options.listener), num_phrases=options.limit)
    if options.json is not None:
        options.json.write_text(json.dumps([dataclasses.asdict(kind) for kind in found], indent=1) + "\n")
    return found
