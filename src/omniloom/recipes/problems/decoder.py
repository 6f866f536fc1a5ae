"""A problem of pairs learned by a transformer of one stack: the source is its prompt, the target its reply.

It is the omni transformer of text alone, from nothing (`recipes.text_model`). What it is asked is what the omni model
is asked, so `omniloom evaluate pairs` compares all three kinds of model on the same texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from omniloom.data.problems import pair_problem
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.data.texts import TextExample
from omniloom.recipes.text_model import TextModelRecipe, train_text_model


@dataclass(frozen=True, kw_only=True)
class DecoderRun:
    """A problem and the text model that learns it; pairs of more letters than `max_letters` are left out."""

    problem: str
    recipe: TextModelRecipe = field(default_factory=TextModelRecipe)
    max_letters: int = 400
    user_file: Path | None = None


def train_decoder(config: DecoderRun, *, out: Path, is_resuming: bool = False) -> Path:
    """Train and return the folder for use.

    Raises:
        ValueError: If the problem is bad, or a pair is longer than a row of the recipe's training.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    if config.user_file is not None:
        run_user_file(config.user_file)
    problem = pair_problem(config.problem)
    examples = [
        TextExample(prompt=problem.question(source), reply=target)
        for source, target in problem.pairs("train")
        if len(source) + len(target) <= config.max_letters
    ]
    if not examples:
        raise ValueError(f"no pair of {config.problem} has at most {config.max_letters} letters; raise max_letters")
    return train_text_model(config.recipe, examples, out=out)
