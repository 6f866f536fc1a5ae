"""The trained runs of the reproduction: Tensor2Tensor's `transformer_tiny` on English–French and on SCAN's three
splits.

What is not Tensor2Tensor's own: 1,024 tokens a batch in place of 4,096, since a run of minutes needs more steps than a
run of days, and on English–French a warm-up of 4,000 steps in place of 8,000, which would be most of the run. The
number of steps is no part of a set.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from omniloom.core.config import to_text
from omniloom.recipes.problems.run import CHECKPOINT, ProblemRun, train_problem
from omniloom.training.seq2seq import HyperParameters, Seq2SeqTraining, transformer_tiny

ENGLISH_FRENCH = "translate_enfr_python_docs"
SCAN = ("scan_simple", "scan_length", "scan_jump")
BATCH_TOKENS = 1024


def english_french() -> ProblemRun:
    """Under 40 CPU-minutes on one core."""
    hparams = _tiny(warmup_steps=4000)
    training = Seq2SeqTraining(hparams=hparams, num_steps=10_500, tensorboard=False)
    return ProblemRun(problem=ENGLISH_FRENCH, training=training, evaluate_every=750, num_averaged=6, num_dev_pairs=100)


def scan(problem: str) -> ProblemRun:
    """A split of SCAN; *simple* for as long as it gains, the others, which no bar is set for, for half of that."""
    num_steps = 10_000 if problem == "scan_simple" else 5_000
    training = Seq2SeqTraining(hparams=_tiny(warmup_steps=8000), num_steps=num_steps, tensorboard=False)
    return ProblemRun(problem=problem, training=training, evaluate_every=500)


def short_scan() -> ProblemRun:
    """A run of a minute or two, which shows that all parts work together and no more."""
    training = Seq2SeqTraining(hparams=_tiny(warmup_steps=1000), num_steps=1000, tensorboard=False)
    return ProblemRun(problem="scan_simple", training=training, evaluate_every=500, num_averaged=1)


def scores_of(config: ProblemRun, folder: Path) -> dict[str, Any]:
    """What a run scored, trained or gone on with first unless it is finished.

    Raises:
        ValueError: If the folder holds another run.
    """
    if (folder / "config.txt").is_file() and (folder / "config.txt").read_text() != to_text(config):
        raise ValueError(f"{folder} holds a run with other settings; delete it or give another --out")
    if not (folder / CHECKPOINT).is_dir():
        train_problem(config, out=folder, is_resuming=folder.is_dir())
    scores: dict[str, Any] = json.loads((folder / CHECKPOINT / "scores.json").read_text(encoding="utf-8"))
    return scores


def _tiny(*, warmup_steps: int) -> HyperParameters:
    published = transformer_tiny()
    return replace(
        published,
        schedule=replace(published.schedule, warmup_steps=warmup_steps),
        batching=replace(published.batching, batch_tokens=BATCH_TOKENS),
    )
