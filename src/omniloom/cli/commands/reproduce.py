"""`omniloom reproduce NAME`: a published system's headline in miniature, beside what its authors say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser

if TYPE_CHECKING:
    from omniloom.reproductions.catalogue import Effort

SUMMARY = "Run a published system small and print what its paper says, the bar and what was found here."
EXAMPLES = (
    "omniloom reproduce --list",
    "omniloom reproduce gpt-4o --quick          # a few directions and the latency, within minutes",
    "omniloom reproduce tensor2tensor --quick --out runs/tensor2tensor     # what needs no long training",
    "omniloom reproduce codex --out runs/codex  # trains what it needs there; the same command goes on",
    "omniloom reproduce gpt-4o --out runs/gpt-4o # writes result.json and a figure",
)
EXIT_BROKEN = 1
"""A claim was tested and does not hold."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="which system; --list shows them")
    parser.add_argument("--list", action="store_true", help="show every system and stop")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="test a part; the rest is reported as not tested")
    effort.add_argument("--full", action="store_true", help="measure anew what was measured at training")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write result.json and a figure here")
    parser.add_argument("--checkpoint", default="tiny", help="the model it is shown with (default: tiny)")


def run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from omniloom.reproductions import reproductions

    if options.list:
        for name in reproductions:
            print(f"{name:<22} {reproductions.get(name).summary}")
        return 0
    if options.name is None:
        raise ValueError(f"name a system, or give --list; there are {', '.join(reproductions)}")
    effort: Effort = "quick" if options.quick else "full" if options.full else "usual"
    result = reproductions.get(options.name).run(effort=effort, out=options.out, checkpoint=options.checkpoint)
    Console().print(result.table())
    if options.out is not None:
        print(f"wrote {result.save(options.out)}")
    return EXIT_BROKEN if result.has_failed else 0
