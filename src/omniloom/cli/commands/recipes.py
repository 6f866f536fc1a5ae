"""`omniloom recipes`: what can be trained, with every setting."""

from __future__ import annotations

import argparse

from omniloom.cli.parsing import Parser
from omniloom.core.config import to_text

SUMMARY = "List the recipes, or show every setting of one; omniloom train takes the paths with --set."
EXAMPLES = ("omniloom recipes", "omniloom recipes tiny")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="show this one's settings")


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import recipes

    if options.recipe is not None:
        print(to_text(recipes.get(options.recipe).configure()), end="")
        return 0
    for name in recipes:
        print(f"{name:<12} {recipes.get(name).summary}")
    return 0
