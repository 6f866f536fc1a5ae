"""What a word at every block of a picture gives: a small model from nothing with it, and one without.

    python benchmarks/training/words_at_blocks.py tiny --steps 900

Both learn typed questions about scenes and descriptions of them, in English, from the same examples in the same order,
one thread each, one after the other. Scores are of replies right in whole. Prints a table and writes
words_at_blocks.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from omniloom.core.randomness import seeded
from omniloom.data.problems import Mixture, ScenesProblem, WorldMix, score
from omniloom.data.token_dataset import TokenDataset, prepare
from omniloom.evaluation.scoring import answers
from omniloom.generation import Omni, save_for_use
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import LossWeights, TrainingConfig, WarmupStableDecay, alone, fit

TASKS = {"ask_text": 1.0, "caption_text": 0.3}
SEEN_WORD = LossWeights().seen_word


def mix_of(tasks: dict[str, float]) -> WorldMix:
    """These tasks of scenes, in English, and nothing else."""
    shares = ("french", "asked_on")
    none = {f.name: 0.0 for f in fields(ScenesProblem.Config) if isinstance(f.default, float) and f.name not in shares}
    return WorldMix.only(scenes=ScenesProblem.Config(**{**none, **tasks}, french=0.0))


def trained(dataset: TokenDataset, codecs: Any, seen_word: float, options: argparse.Namespace, out: Path) -> Omni:
    """The model after a run whose blocks have that weight."""
    with seeded("omni weights", options.seed):
        model = OmniModel(OmniConfig.from_depth(options.depth), dataset.vocabulary)
    config = TrainingConfig(
        num_steps=options.steps,
        row_length=256,
        weights=LossWeights(reply_text=2.0, seen_word=seen_word),
        schedule=WarmupStableDecay(warmup_steps=30, decay_fraction=0.7),
        compile=False,
        tensorboard=False,
    )
    model = fit(model, dataset, config, out / "model", seed=options.seed, processes=alone())
    save_for_use(out / "checkpoint", model=model, codecs=codecs, scores={})
    return Omni.load(out / "checkpoint")


def scores_of(omni: Omni, world: Mixture, limit: int) -> dict[str, float]:
    """The share of right replies of each task and split."""
    found = {}
    for split in ("new", "composed"):
        for task in TASKS:
            examples = [world.example(split, index, task) for index in range(limit)]
            replies = answers(omni, examples, seed=0)
            right = [score(example, reply) for example, reply in zip(examples, replies, strict=True)]
            found[f"{task} {split}"] = sum(right) / len(right)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="tiny", help="whose codecs are used")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--examples", type=int, default=24_576)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--limit", type=int, default=200, help="examples a task and split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/words_at_blocks"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    codecs, mix = Omni.load(options.checkpoint).codecs, mix_of(TASKS)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = prepare(
            Path(folder, "data"),
            mix=mix,
            codecs=codecs,
            num_examples=options.examples,
            seed=1,
            processes=1,
            max_tokens=256,
        )
        for name, weight in (("with", SEEN_WORD), ("without", 0.0)):
            omni = trained(dataset, codecs, weight, options, Path(folder, name))
            found[name] = scores_of(omni, Mixture(mix), options.limit)
    print(f"{'':24}{'with':>8}{'without':>10}")
    for key in found["with"]:
        print(f"{key:24}{found['with'][key]:8.3f}{found['without'][key]:10.3f}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "words_at_blocks.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
