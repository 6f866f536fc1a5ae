"""Loss against minutes of one or more runs, read from their metrics: no model is loaded.

    python benchmarks/training/loss_curve.py runs/tiny --out docs/figures/loss_curve.png
    python benchmarks/training/loss_curve.py runs/tiny runs/longer --smooth 15

One plot a loss: words heard, reply text, sound and picture, ends of turns; a line for each run. A run that went on
from another one's weights is drawn from where it began.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from omniloom.core.metrics import FILE_NAME, read_metrics

LOSSES = {
    "heard_word": "word heard, at frames of speech",
    "seen_word": "word seen, at blocks of pictures",
    "reply_text": "reply text",
    "reply_image": "reply picture",
    "reply_audio": "reply sound",
    "turn_end": "end of turn, at frames of speech",
}


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """The running mean of the last `width` values, of fewer at the start."""
    sums = np.cumsum([0.0, *values])
    return [float((sums[i + 1] - sums[max(0, i + 1 - width)]) / min(i + 1, width)) for i in range(len(values))]


def draw(runs: dict[str, list[dict[str, Any]]], path: Path, *, width: int) -> None:
    """One plot a loss that any run has, on logarithmic axes of nats."""
    from matplotlib import pyplot

    shown = [name for name in LOSSES if any(f"loss/{name}" in line for lines in runs.values() for line in lines)]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(3.4 * len(shown), 3.2), squeeze=False)
    for name, axis in zip(shown, axes[0], strict=True):
        for label, lines in runs.items():
            own = [line for line in lines if f"loss/{name}" in line]
            minutes = [line["seconds"] / 60 for line in own]
            axis.plot(minutes, smoothed([line[f"loss/{name}"] for line in own], width), label=label)
        axis.set_title(LOSSES[name], fontsize=9)
        axis.set_yscale("log")
        axis.set_xlabel("minutes of training")
        axis.grid(alpha=0.3, which="both")
    axes[0, 0].set_ylabel("nats")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders that a recipe wrote")
    parser.add_argument("--smooth", type=int, default=5, help="reports in a running mean")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/loss_curve.png"))
    options = parser.parse_args()
    if options.smooth < 1:
        parser.error(f"--smooth must be at least 1, got {options.smooth}")
    runs = {run.name: list(read_metrics(run / "model" / FILE_NAME)) for run in options.runs}
    if empty := [name for name, lines in runs.items() if not lines]:
        parser.error(f"no metrics in {', '.join(empty)}: give the folder that a training recipe wrote")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw(runs, options.out, width=options.smooth)


if __name__ == "__main__":
    main()
