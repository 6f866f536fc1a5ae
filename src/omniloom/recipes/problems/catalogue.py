"""What `--problem`, `--model` and `--hparams` name, put together into a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniloom.core.config import override
from omniloom.data.problems import PairsProblem, WorldMix, pair_problem
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.models.seq2seq import sequence_models
from omniloom.recipes.finetune import FinetuneRecipe, train_finetune
from omniloom.recipes.problems.decoder import DecoderRun, train_decoder
from omniloom.recipes.problems.run import ProblemRun, train_problem
from omniloom.training.seq2seq import Seq2SeqTraining, hparams

DECODER, OMNI = "decoder", "omni"


@dataclass(frozen=True, kw_only=True)
class NamedRun:
    """A run's complete configuration and what carries it out."""

    config: Any
    train: Callable[..., Path]


def named_run(
    problem: str,
    *,
    model: str,
    hparams_name: str | None,
    settings: Mapping[str, str],
    user_file: Path | None,
) -> NamedRun:
    """The run of a problem, a model and a set by their names, with settings changed by path.

    Raises:
        ValueError: If a name is unknown, a setting does not fit, or the user's file fails.
    """
    if user_file is not None:
        run_user_file(user_file)
    pair_problem(problem)
    if model in (OMNI, DECODER) and hparams_name is not None:
        raise ValueError(f"the {model} model has recipes, not sets; leave --hparams {hparams_name} out and use --set")
    if model == DECODER:
        run = DecoderRun(problem=problem, user_file=user_file)
        return NamedRun(config=override(run, settings), train=train_decoder)
    if model == OMNI:
        pairs = PairsProblem.Config(problem=problem, user_file=user_file)
        recipe = FinetuneRecipe(data=None, mix=WorldMix.only(pairs=pairs))
        return NamedRun(config=override(recipe, settings), train=train_finetune)
    sequence_models.get(model)
    training = Seq2SeqTraining(hparams=hparams.get(hparams_name or "transformer_base")())
    config = ProblemRun(problem=problem, model=model, training=training, user_file=user_file)
    return NamedRun(config=override(config, settings), train=train_problem)


def model_names() -> dict[str, str]:
    """Every model that trains on pairs, with a line on each."""
    lines = {name: first_line(sequence_models.get(name)) for name in sequence_models}
    return {
        **lines,
        DECODER: "A transformer of one stack, from nothing: the source is its prompt, the target its reply.",
        OMNI: "The omni model, taken further from a checkpoint on the pairs as conversations.",
    }


def first_line(registered: object) -> str:
    """What the docstring of something registered begins with."""
    return (registered.__doc__ or "").strip().partition("\n")[0]
