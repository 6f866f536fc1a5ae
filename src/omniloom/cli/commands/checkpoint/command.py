"""Average the last checkpoints of a run on pairs, or export a checkpoint as a program that needs nothing of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from omniloom.cli.parsing import Parser, positive_int

SUMMARY = "Make something of checkpoints of a model of pairs: average a run's last ones, or export one."
EXAMPLES = (
    "omniloom checkpoint average runs/enfr --last 20 --out enfr-mean",
    "omniloom checkpoint export runs/enfr/checkpoint --out enfr-program   # torch.export; runs with torch alone",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("what", choices=("average", "export"), help="what to do")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="average: of the run; export: of the checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the result goes")
    parser.add_argument("--last", type=positive_int, metavar="N", help="average: how many (default: 20, as published)")
    parser.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE.py", help="yours, where the model or problem is"
    )


def run(options: argparse.Namespace) -> int:
    from omniloom.generation.pairs import export_pairs
    from omniloom.recipes.problems.mean import average_run

    if options.what == "average":
        written, steps = average_run(
            options.folder, last=options.last or 20, out=options.out, user_file=options.import_file
        )
        print(f"averaged the checkpoints of steps {', '.join(map(str, steps))}: {written}")
        return 0
    if options.last is not None:
        raise ValueError("--last belongs to average; leave it out for export")
    print(f"exported: {export_pairs(options.folder, out=options.out, user_file=options.import_file)}")
    return 0
