"""`omniloom train RECIPE`: a named run, any of its settings changed by path.

Several processes share a run where torchrun starts them: `torchrun --nproc-per-node 2 -m omniloom.cli train tiny`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from omniloom.cli import pair_training
from omniloom.cli.parsing import Parser, positive_int, settings
from omniloom.cli.training import carry_out, place_among_processes
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
    "omniloom train --problem scan_simple --hparams transformer_tiny --set training.num_steps=10000 --out runs/scan",
    "omniloom train --import my_problem.py --problem mine --hparams transformer_tiny",
    "omniloom train --problem scan_simple --hparams transformer_tiny --ranges transformer_short_range --search 8",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="which one; omniloom recipes lists them")
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
    pair_training.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import recipes

    if options.problem is not None:
        return pair_training.run(options)
    pair_training.refuse_options(options)
    if options.recipe is None:
        raise ValueError("RECIPE is missing; see omniloom train --help, or give a --problem (omniloom problems)")
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
    _, num_processes = place_among_processes()
    if num_processes > 1 and not recipe.is_parallel:
        raise ValueError(f"{options.recipe} is trained by one process, not {num_processes}; start it without torchrun")
    out = options.out or Path("runs") / options.recipe
    return carry_out(options.recipe, recipe.run, config, out=out, is_resuming=options.resume)
