"""Optimizers at equal wall time: the same model, examples and order, one thread, one after the other.

    python benchmarks/training/compare_optimizers.py runs/tiny/data --seconds 180

Trains on the tasks that write down speech, which come last in the full mixture and so say most in a few minutes. Each
line is the mean loss of reply text since the line before. No variant's rate decays, so none gains by knowing its end.
Writes compare_optimizers.json and compare_optimizers.png.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from omniloom.core.randomness import seeded
from omniloom.data.packing import PackedLoader
from omniloom.data.token_dataset import Subset, TokenDataset
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import AdamW, LossWeights, Muon, Trainer, TrainingConfig

TASKS = ("transcribe", "digit_text", "digits_text")
VARIANTS: dict[str, AdamW | Muon] = {
    "AdamW 0.002": AdamW(rate=2e-3),
    "AdamW 0.003": AdamW(rate=3e-3),
    "AdamW 0.005": AdamW(rate=5e-3),
    "Muon 0.01": Muon(rate=0.01),
    "Muon 0.02": Muon(rate=0.02),
    "Muon 0.035": Muon(rate=0.035),
}
STEPS_A_LINE = 25
WARMUP_STEPS = 3
"""Compilation and first steps, before the clock starts."""


@dataclass(frozen=True)
class Point:
    """`loss` is of reply text, in nats a token, the mean since the point before; `step` counts every step."""

    seconds: float
    step: int
    loss: float


def train(dataset: TokenDataset, optimizer: AdamW | Muon, *, seconds: float, depth: int, out: Path) -> list[Point]:
    """Loss against time of one variant. In the first pass, the loss is of examples that the model has not yet seen."""
    config = TrainingConfig(
        num_steps=10**9, optimizer=optimizer, weights=LossWeights(reply_text=2.0, prompt_audio=0.01), tensorboard=False
    )
    loader = PackedLoader(dataset, row_length=config.row_length, batch_rows=config.num_rows, seed=0)
    with seeded("omni weights", 0):
        model = OmniModel(OmniConfig.from_depth(depth), dataset.vocabulary)
    trainer = Trainer(model, loader, config, out)
    for _ in range(WARMUP_STEPS):
        trainer.take_step()
    trainer.window.close()
    points: list[Point] = []
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        trainer.take_step()
        if trainer.step % STEPS_A_LINE == 0:
            losses, _ = trainer.window.close()
            points.append(Point(round(elapsed, 1), trainer.step, round(losses["reply_text"], 4)))
    return points


def draw(found: dict[str, list[Point]], path: Path) -> None:
    """Loss against seconds, a line a variant."""
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2))
    for name, points in found.items():
        style = "-" if name.startswith("Muon") else "--"
        axis.plot([point.seconds for point in points], [point.loss for point in points], style, label=name)
    axis.set_xlabel("seconds of training, one thread")
    axis.set_ylabel("reply text, nats a token")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a prepared dataset, for instance runs/tiny/data")
    parser.add_argument("--seconds", type=float, default=180.0, help="of each variant")
    parser.add_argument("--depth", type=int, default=7)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["AdamW 0.003", "Muon 0.02"])
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = TokenDataset.open(options.data)
    wanted = [number for number, task in enumerate(whole.tasks) if task in TASKS]
    dataset = Subset(whole, np.flatnonzero(np.isin(whole.task_of, wanted)))
    found = {}
    for name in options.variants:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = train(dataset, VARIANTS[name], seconds=options.seconds, depth=options.depth, out=Path(folder))
        last = found[name][-1]
        print(f"{name}: {last.loss:.3f} nats a token after {last.seconds:.0f} s and {last.step} steps", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = {name: [vars(point) for point in points] for name, points in found.items()}
    (options.out / "compare_optimizers.json").write_text(json.dumps(lines, indent=1) + "\n")
    draw(found, options.out / "compare_optimizers.png")


if __name__ == "__main__":
    main()
