"""Models of several sizes at equal time: the same examples and order, one thread, one after the other.

    python benchmarks/training/compare_sizes.py runs/tiny/data --minutes 15 --sizes 5x2 6x3 7x4
    python benchmarks/training/compare_sizes.py runs/tiny/data --minutes 60 --sizes 6x3 --out runs/sizes

A size is depth x heads of 64. The pace of its first steps says how many fit its minutes, and the learning rate goes to
nothing over the last seven tenths of them: one that stays high hides what was learned. Losses are of examples that
no model trained on. What was broken off goes on where it stood, and sizes measured with the same settings are not
measured again. Prints a table and writes compare_sizes.json and compare_sizes.png.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from omniloom.core.randomness import seeded
from omniloom.data.packing import PackedLoader
from omniloom.data.token_dataset import Subset, TokenDataset
from omniloom.evaluation.table import markdown_table
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.layout import LossClass
from omniloom.training import LossWeights, Trainer, TrainingConfig, WarmupStableDecay, alone, fit
from omniloom.training.loss import weighted_loss

TIMED_STEPS = 12
WEIGHTS = LossWeights(reply_text=2.0, prompt_audio=0.01)
HELD_OUT_BATCHES = 20
KINDS = ("reply_text", "reply_audio", "reply_image", "heard_word", "seen_word", "turn_end")
SETTINGS = ("minutes", "rows", "held_out")
"""Options that decide what a model learns and what it is measured on, beside the dataset."""
Row = dict[str, Any]


def settings_of(options: argparse.Namespace) -> dict[str, float]:
    return {name: getattr(options, name) for name in SETTINGS}


def size_of(text: str) -> str:
    """A size as it is written, checked."""
    depth, _, heads = text.partition("x")
    if not (depth.isdecimal() and heads.isdecimal() and int(depth) and int(heads)):
        raise argparse.ArgumentTypeError(f"a size is DEPTHxHEADS, both at least 1, got {text!r}; for instance 5x2")
    return text


def config_of(size: str) -> OmniConfig:
    """A model of that many layers and heads, shaped as the recipe's are."""
    depth, heads = (int(number) for number in size.split("x"))
    return OmniConfig.from_depth(depth, num_heads=heads)


def trained(size: str, data: TokenDataset, held_out: TokenDataset, options: argparse.Namespace) -> Row:
    """What one size has learned when its time is over."""
    settings = settings_of(options)
    folder = options.out / "-".join([size, *(f"{value:g}" for value in settings.values())])
    steps_path = folder / "steps.json"
    if not steps_path.exists():
        rate = _steps_per_s(_model(size, data), data, options, folder)
        folder.mkdir(parents=True, exist_ok=True)
        steps_path.write_text(json.dumps(max(2, round(60 * options.minutes * rate))) + "\n")
    num_steps = json.loads(steps_path.read_text())
    config = _training(options, num_steps)
    model = fit(_model(size, data), data, config, folder / "model", seed=0, processes=alone())
    return {
        "size": size, **settings, "parameters": model.num_parameters,
        "steps": num_steps, "positions": num_steps * config.tokens_per_step,
        "losses": losses_on(model, held_out, options.rows),
    }  # fmt: skip


@torch.no_grad()
def losses_on(model: OmniModel, data: TokenDataset, rows: int) -> dict[str, float]:
    """Nats of each kind of token, on the first batches of a dataset."""
    weights = WEIGHTS.by_class()
    sums, counts = torch.zeros_like(weights), torch.zeros_like(weights)
    loader = PackedLoader(data, row_length=256, batch_rows=rows, seed=0)
    for number in range(HELD_OUT_BATCHES):
        batch = loader.batch(number)
        states = model.eval()(batch.ids, batch.slots, more=batch.more, documents=batch.documents)
        loss = weighted_loss(model, states, batch, weights)
        sums, counts = sums + loss.sums, counts + loss.counts
    return {kind.name.lower(): float(sums[kind] / counts[kind]) for kind in LossClass if counts[kind] > 0}


def _model(size: str, data: TokenDataset) -> OmniModel:
    with seeded("omni weights", 0):
        return OmniModel(config_of(size), data.vocabulary)


def _training(options: argparse.Namespace, num_steps: int) -> TrainingConfig:
    return TrainingConfig(
        num_steps=num_steps,
        row_length=256,
        num_rows=options.rows,
        weights=WEIGHTS,
        schedule=WarmupStableDecay(warmup_steps=min(60, max(1, num_steps // 10)), decay_fraction=0.7),
        compile=False,
        tensorboard=False,
    )


def _steps_per_s(model: OmniModel, data: TokenDataset, options: argparse.Namespace, folder: Path) -> float:
    loader = PackedLoader(data, row_length=256, batch_rows=options.rows, seed=0)
    trainer = Trainer(model, loader, _training(options, 10**6), folder / "timing")
    trainer.take_step()
    start = time.perf_counter()
    for _ in range(TIMED_STEPS):
        trainer.take_step()
    return TIMED_STEPS / (time.perf_counter() - start)


def draw(rows: list[Row], path: Path) -> None:
    """Losses against parameters, a line a kind."""
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2))
    ordered = sorted(rows, key=lambda row: int(row["parameters"]))
    millions = [row["parameters"] / 1e6 for row in ordered]
    for kind in KINDS:
        axis.plot(millions, [row["losses"].get(kind, float("nan")) for row in ordered], "o-", label=kind)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(f"million parameters, {ordered[0]['minutes']:g} minutes of one core each")
    axis.set_ylabel("nats, examples held out")
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a prepared dataset, for instance runs/tiny/data")
    parser.add_argument("--minutes", type=float, default=15.0, help="of one core, for each size")
    parser.add_argument("--sizes", nargs="+", type=size_of, default=["5x2", "6x3", "7x4"], metavar="DEPTHxHEADS")
    parser.add_argument("--rows", type=int, default=4, help="rows of 256 positions a step")
    parser.add_argument("--held-out", type=int, default=2048, help="examples at the end that are not trained on")
    parser.add_argument("--out", type=Path, default=Path("runs/sizes"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = TokenDataset.open(options.data)
    if not 0 < options.held_out < len(whole):
        parser.error(f"--held-out must be from 1 to {len(whole) - 1}, got {options.held_out}")
    border = len(whole) - options.held_out
    data, held_out = Subset(whole, range(border)), Subset(whole, range(border, len(whole)))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "compare_sizes.json"
    rows: list[Row] = json.loads(path.read_text()) if path.exists() else []
    source = options.out / "data.txt"
    if source.exists() and source.read_text() != str(options.data.resolve()):
        parser.error(f"{options.out} holds sizes measured on {source.read_text()}; give another --out")
    source.write_text(str(options.data.resolve()))
    wanted = settings_of(options)
    for size in options.sizes:
        if not any({name: row[name] for name in ("size", *wanted)} == {"size": size, **wanted} for row in rows):
            rows.append(trained(size, data, held_out, options))
            path.write_text(json.dumps(rows, indent=1) + "\n")
    found = [row for row in rows if {name: row[name] for name in wanted} == wanted]
    table = [
        (
            row["size"],
            f"{row['parameters'] / 1e6:.1f} M",
            f"{row['positions'] / 1e6:.2f} M",
            *(f"{row['losses'].get(kind, float('nan')):.3f}" for kind in KINDS),
        )
        for row in found
    ]
    print(markdown_table(("size", "parameters", "positions", *KINDS), table))
    draw(found, options.out / "compare_sizes.png")


if __name__ == "__main__":
    main()
