"""`omniloom train RECIPE`: a named run, any of its settings changed by path."""

from __future__ import annotations

import argparse
from pathlib import Path

from omniloom.cli.parsing import Parser, settings
from omniloom.core.config import override, to_text

SUMMARY = "Train a model by a recipe; Ctrl-C keeps a checkpoint, and --resume goes on from it to the same bits."
EXAMPLES = (
    "omniloom train tiny",
    "omniloom train tiny --out runs/mine --set training.num_steps=500",
    "omniloom train tiny --out runs/mine --resume",
    "omniloom train tiny --dry-run          # every setting, and nothing else",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="which one; omniloom recipes lists them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="change a setting; may be given several times"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the run goes (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the run's newest whole checkpoint")
    parser.add_argument("--dry-run", action="store_true", help="print every setting and stop")


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import recipes

    recipe = recipes.get(options.recipe)
    config = override(recipe.configure(), settings(options.set))
    if options.dry_run:
        print(to_text(config), end="")
        return 0
    out = options.out or Path("runs") / options.recipe
    check_folder(out, is_resuming=options.resume)
    written = recipe.run(config, out=out, is_resuming=options.resume)
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
