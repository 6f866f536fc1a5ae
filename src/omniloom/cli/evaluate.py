"""`omniloom evaluate world`: the nine cells, each on two splits that training never saw."""

from __future__ import annotations

import argparse
from pathlib import Path

from omniloom.cli.parsing import Parser, positive_int

SUMMARY = "Measure a model: every direction of {text, audio, image}, beside its ceiling and two controls."
EXAMPLES = (
    "omniloom evaluate world",
    "omniloom evaluate world --checkpoint runs/mine/checkpoint --limit 50 --json world.json",
    "omniloom evaluate world --cells audio-to-image image-to-text --splits new",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("what", choices=("world",), metavar="world", help="what to measure it on")
    parser.add_argument("--checkpoint", default="tiny", help="a shipped model's name or a folder (default: tiny)")
    parser.add_argument("--limit", type=positive_int, default=300, metavar="N", help="examples a cell (default: 300)")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="only these, as audio-to-text (default: all nine)")
    parser.add_argument("--splits", nargs="+", choices=("new", "composed"), help="only these (default: both)")
    parser.add_argument("--seed", type=int, default=0, help="another choice of examples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here; a stopped run goes on")


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from omniloom.data.listener import Listener
    from omniloom.data.problems import CELLS
    from omniloom.evaluation.world import TESTED_SPLITS, evaluate
    from omniloom.generation import Omni

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
