"""Score against minutes: every kept checkpoint of a training run, evaluated in all twelve cells.

    python benchmarks/training/learning_curve.py runs/tiny --limit 60 --out docs/figures

Writes learning_curve.json and learning_curve.png. Give the run enough checkpoints to look back on, for instance
`--set training.keep_checkpoints=20 --set training.checkpoint_every_s=480`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from omniloom.core.state import load_state
from omniloom.data.problems import CELLS
from omniloom.data.speech.listener import Listener
from omniloom.evaluation.world import evaluate
from omniloom.generation import Omni


def score_checkpoints(run: Path, *, limit: int, listener: Listener) -> list[dict[str, Any]]:
    """One entry a checkpoint: step, minutes of training, and the score and ceiling of each cell and split."""
    entries = []
    for folder in sorted((run / "model" / "checkpoints").glob("step-*")):
        state = load_state(folder / "state.safetensors")
        omni = Omni.load(run / "checkpoint")
        omni.model.load_state_dict(state["model"])
        omni = Omni(omni.model, omni.codecs)
        report = evaluate(omni, limit=limit, cells=CELLS, listener=listener, speakers=False)
        cells = {f"{cell.name} {cell.split}": {"score": cell.score, "ceiling": cell.ceiling} for cell in report.cells}
        entries.append({"step": state["step"], "minutes": round(state["seconds"] / 60, 1), "cells": cells})
        print(entries[-1]["step"], {name: round(value["score"], 2) for name, value in cells.items()}, flush=True)
    return entries


def draw(entries: list[dict[str, Any]], path: Path) -> None:
    """Twelve small plots, one a cell: both splits against minutes, the ceiling as a dotted line."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(4, 3, figsize=(10, 11), sharex=True, sharey=True)
    minutes = [entry["minutes"] for entry in entries]
    for cell, axis in zip(CELLS, axes.flat, strict=True):
        if f"{cell} new" not in entries[-1]["cells"]:  # a model from before videos
            axis.set_title(f"{cell}: not of this model")
            continue
        for split, style in (("new", "o-"), ("composed", "s--")):
            axis.plot(minutes, [entry["cells"][f"{cell} {split}"]["score"] for entry in entries], style, label=split)
        axis.axhline(entries[-1]["cells"][f"{cell} new"]["ceiling"], color="grey", linestyle=":", label="ceiling")
        axis.set_title(cell)
        axis.set_ylim(0, 1.05)
        axis.grid(alpha=0.3)
    axes[0, 0].legend(loc="lower right")
    for axis in axes[-1]:
        axis.set_xlabel("minutes of training")
    for axis in axes[:, 0]:
        axis.set_ylabel("exact score")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--listener", type=Path, default=None, help="default: the shipped one")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    listener = Listener.load(options.listener)
    options.out.mkdir(parents=True, exist_ok=True)
    entries = score_checkpoints(options.run, limit=options.limit, listener=listener)
    (options.out / "learning_curve.json").write_text(json.dumps(entries, indent=1) + "\n")
    draw(entries, options.out / "learning_curve.png")


if __name__ == "__main__":
    main()
