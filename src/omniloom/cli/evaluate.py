"""`omniloom evaluate world`: the nine cells, each on two splits that training never saw.

`omniloom evaluate card` measures everything at once, codecs and human voices too, and leaves the numbers and a card in
the checkpoint's folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.evaluation.report import WorldReport

SUMMARY = "Measure a model: every direction of {text, audio, image}, beside its ceiling and two controls."
EXAMPLES = (
    "omniloom evaluate world",
    "omniloom evaluate world --checkpoint runs/mine/checkpoint --limit 50 --json world.json",
    "omniloom evaluate world --cells audio-to-image image-to-text --splits new",
    "omniloom evaluate card --checkpoint runs/mine/checkpoint",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "what", choices=("world", "card"), metavar="world|card", help="the nine cells; or all, written into the folder"
    )
    parser.add_argument("--checkpoint", default="tiny", help="a shipped model's name or a folder (default: tiny)")
    parser.add_argument("--limit", type=positive_int, default=300, metavar="N", help="examples a cell (default: 300)")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="only these, as audio-to-text (default: all nine)")
    parser.add_argument("--splits", nargs="+", choices=("new", "composed"), help="only these (default: both)")
    parser.add_argument("--seed", type=int, default=0, help="another choice of examples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here; a stopped run goes on")


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

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
        listener=Listener.load(),
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
    return score_checkpoint(folder, listener=Listener.load(), limit=options.limit, seed=options.seed)
