"""`omniloom train --problem P --model M --hparams H`: its options, and the run that they describe."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int, settings
from omniloom.cli.training import carry_out, check_folder, place_among_processes
from omniloom.core.config import to_text

if TYPE_CHECKING:
    from omniloom.recipes.problems.catalogue import NamedRun

OPTIONS = ("model", "hparams", "import_file", "ranges", "search", "search_seed")
NAMES = {"import_file": "--import", "search_seed": "--search-seed"}


def add_arguments(parser: Parser) -> None:
    group = parser.add_argument_group("in place of RECIPE, any model on any problem of pairs")
    group.add_argument(
        "--problem", metavar="NAME", help="omniloom problems lists them; _rev turns it round, _copy copies its sources"
    )
    group.add_argument("--model", metavar="NAME", help="transformer, decoder, omni or your own (default: transformer)")
    group.add_argument("--hparams", metavar="NAME", help="a hyper-parameter set (default: transformer_base)")
    group.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE.py", help="yours; registers a problem, model or set"
    )
    group.add_argument("--ranges", metavar="NAME", help="a set of ranges to draw settings from, with --search")
    group.add_argument("--search", type=positive_int, metavar="N", help="train N draws and compare them")
    group.add_argument("--search-seed", type=int, metavar="N", help="of the draws (default: 0)")


def refuse_options(options: argparse.Namespace) -> None:
    """Refuse the options of a problem for a recipe.

    Raises:
        ValueError: If one was given.
    """
    given = [name for name in OPTIONS if getattr(options, name) is not None]
    if given:
        named = ", ".join(NAMES.get(name, f"--{name}") for name in given)
        raise ValueError(f"{named} belongs to --problem; leave it out for a recipe")


def run(options: argparse.Namespace) -> int:
    """Train a model on a problem by a set.

    Raises:
        ValueError: If a name or a setting is not right, or a recipe was named as well.
    """
    if options.recipe is not None:
        raise ValueError(f"give a recipe or a --problem, not both; leave {options.recipe} out")
    if options.processes or options.tokens_per_second:
        raise ValueError("--processes and --tokens-per-second belong to recipes; leave them out")
    if (options.search is None) != (options.ranges is None) or (options.search_seed and options.search is None):
        raise ValueError("--ranges NAME and --search N go together; omniloom recipes lists the ranges")
    run = _configured(options, {})
    if options.dry_run:
        print(to_text(run.config), end="")
        return 0
    out = options.out or Path("runs") / options.problem
    if options.search is not None:
        return _search(options, out)
    return carry_out(
        options.problem, run.train, run.config, out=out, is_resuming=options.resume, then=_next_command(options)
    )


def _next_command(options: argparse.Namespace) -> str:
    """What the trained model is tried by, up to the folder that it is in."""
    from omniloom.recipes.problems.catalogue import DECODER, OMNI

    is_asked = options.model in (DECODER, OMNI)
    words = ["omniloom", *(("evaluate", "pairs", "--problems", options.problem) if is_asked else ("decode",))]
    if options.import_file is not None:
        words += ["--problem-file" if is_asked else "--import", str(options.import_file)]
    return shlex.join([*words, "--checkpoint"])


def _configured(options: argparse.Namespace, drawn: Mapping[str, str]) -> NamedRun:
    """The run that the options describe, with what was drawn; what --set says goes before a draw."""
    from omniloom.recipes.problems.catalogue import named_run

    return named_run(
        options.problem,
        model=options.model or "transformer",
        hparams_name=options.hparams,
        settings={**drawn, **settings(options.set)},
        user_file=options.import_file,
    )


def _search(options: argparse.Namespace, out: Path) -> int:
    """Train draws from the ranges, and print them from the best on."""
    from omniloom.recipes.problems.catalogue import DECODER, OMNI
    from omniloom.recipes.problems.search import search, table
    from omniloom.training.seq2seq import ranged_hparams

    if options.model in (DECODER, OMNI) or place_among_processes()[1] > 1:
        raise ValueError("--search trains models of pairs in one process; leave --model and torchrun out")
    ranges = ranged_hparams.get(options.ranges)()
    check_folder(out, is_resuming=options.resume)
    ranked = search(
        lambda drawn: _configured(options, drawn).config,
        ranges,
        count=options.search,
        seed=options.search_seed or 0,
        out=out,
    )
    print(table(ranked), end="")
    return 0
