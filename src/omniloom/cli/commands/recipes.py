"""`omniloom recipes`: what can be trained, with every setting."""

from __future__ import annotations

import argparse

from omniloom.cli.parsing import Parser
from omniloom.core.config import to_text

SUMMARY = "List the recipes, models and sets, or show every setting of one; omniloom train takes the paths with --set."
EXAMPLES = ("omniloom recipes", "omniloom recipes tiny", "omniloom recipes transformer_tiny")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="show this one's settings")


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import recipes
    from omniloom.recipes.problems.catalogue import first_line, model_names
    from omniloom.training.seq2seq import hparams, ranged_hparams

    if options.recipe in hparams:
        print(to_text(hparams.get(options.recipe)()), end="")
        return 0
    if options.recipe in ranged_hparams:
        print("".join(f"{path} {own}\n" for path, own in ranged_hparams.get(options.recipe)().items()), end="")
        return 0
    if options.recipe is not None:
        print(to_text(recipes.get(options.recipe).configure()), end="")
        return 0
    for name in recipes:
        print(f"{name:<12} {recipes.get(name).summary}")
    print("\nfor a --problem of pairs (omniloom problems):")
    for name, about in model_names().items():
        print(f"--model {name:<12} {about}")
    for name in hparams:
        print(f"--hparams {name:<20} {first_line(hparams.get(name))}")
    for name in ranged_hparams:
        print(f"--ranges {name:<25} {first_line(ranged_hparams.get(name))}")
    return 0
