"""A problem, a set and its ranges in one file: short words turned into pig Latin.

    omniloom train --import my_problem.py --problem pig_latin --hparams pig_latin_tiny --set training.num_steps=600
    omniloom decode --import my_problem.py --checkpoint runs/pig_latin/checkpoint

Nothing else is to be done: the file registers what it holds, and every command that takes --import knows it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

from omniloom.data.problems import PairProblem, TextPair, problems
from omniloom.training import Noam
from omniloom.training.seq2seq import HyperParameters, Range, hparams, ranged_hparams, transformer_tiny

SIZES = {"train": 4000, "dev": 50, "test": 100}


@problems.register("pig_latin")
class PigLatin(PairProblem):
    name = "pig_latin"
    summary = "words with their first letter behind and -ay after it"
    licence = "your own"
    origin = "made here"
    metric = "exact_match"
    num_subwords = 300
    asks = "In pig Latin: {}"

    def generate(self, split: str) -> Iterable[TextPair]:
        drawn = random.Random(split)
        for _ in range(SIZES[split]):
            word = "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 5)))
            yield TextPair(word, f"{word[1:]}{word[0]}ay")


@hparams.register("pig_latin_tiny")
def pig_latin_tiny() -> HyperParameters:
    """`transformer_tiny` with a warm-up and batches that fit a few hundred steps."""
    published = transformer_tiny()
    schedule = Noam(constant=0.5, warmup_steps=200)
    return replace(published, schedule=schedule, batching=replace(published.batching, batch_tokens=512))


@ranged_hparams.register("pig_latin_range")
def pig_latin_range() -> dict[str, Range]:
    """The rate, and dropout around layers."""
    return {"schedule.constant": Range(low=0.1, high=1.0, is_log=True), "model.dropout": Range(choices=(0.0, 0.1))}
