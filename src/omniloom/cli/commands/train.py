"""`omniloom train RECIPE`: a named run, any of its settings changed by path.

Several processes share a run where torchrun starts them: `torchrun --nproc-per-node 2 -m omniloom.cli train tiny`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from omniloom.cli.parsing import Parser, positive_int, settings
from omniloom.cli.program import EXIT_STOPPED
from omniloom.core.config import override, to_text

SUMMARY = (
    "Train a model by a recipe; Ctrl-C keeps a checkpoint, and --resume goes on from it to the same bits. "
    "torchrun --nproc-per-node 2 -m omniloom.cli train RECIPE has two processes share it."
)
EXAMPLES = (
    "omniloom train tiny",
    "omniloom train tiny --out runs/mine --set training.num_steps=500",
    "omniloom train tiny --out runs/mine --resume",
    "omniloom train base --dry-run          # every setting, and what it will take",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="which one; omniloom recipes lists them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="change a setting; may be given several times"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the run goes (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's newest whole checkpoint")
    parser.add_argument(
        "--dry-run", action="store_true", help="print every setting and what the run will take, and stop"
    )
    parser.add_argument(
        "--processes", type=positive_int, help="with --dry-run: for so many (default: those the recipe is meant for)"
    )
    parser.add_argument(
        "--tokens-per-second", type=positive_int, help="with --dry-run: at this rate of all (default: measured here)"
    )


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import recipes

    recipe = recipes.get(options.recipe)
    config = override(recipe.configure(), settings(options.set))
    if options.dry_run:
        print(to_text(config), end="")
        if recipe.plan is not None:
            processes = options.processes or recipe.num_processes
            print(recipe.plan(config, num_processes=processes, tokens_per_second=options.tokens_per_second), end="")
        return 0
    if options.processes or options.tokens_per_second:
        raise ValueError("--processes and --tokens-per-second belong to --dry-run; torchrun says how many train")
    rank, num_processes = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    if num_processes > 1 and not recipe.is_parallel:
        raise ValueError(f"{options.recipe} is trained by one process, not {num_processes}; start it without torchrun")
    out = options.out or Path("runs") / options.recipe
    if rank == 0:
        check_folder(out, is_resuming=options.resume)
    try:
        written = recipe.run(config, out=out, is_resuming=options.resume)
    except KeyboardInterrupt:
        if rank == 0:
            raise
        return EXIT_STOPPED
    if rank == 0:
        print(f"trained {options.recipe}: {written}")
    return 0


def check_folder(out: Path, *, is_resuming: bool) -> None:
    """Refuse to mix two runs in one folder, or to resume what is not there.

    Raises:
        ValueError: Saying which of the two it is, and what to do.
    """
    has_run = out.is_dir() and any(out.iterdir())
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; give a folder")
    if has_run and not is_resuming:
        raise ValueError(f"{out} holds a run already; add --resume to go on with it, or give another --out")
    if is_resuming and not has_run:
        raise ValueError(f"{out} holds no run to resume; leave --resume out to start one")
