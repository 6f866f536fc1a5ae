"""The figure of the reproduction: how translation grew with processor time, and what SCAN's splits came to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from omniloom.recipes.problems.run import evaluations
from omniloom.reproductions.tensor2tensor.runs import ENGLISH_FRENCH


def draw(home: Path, translated: dict[str, Any], actions: dict[str, dict[str, Any]], path: Path) -> None:
    """Two panels; needs the extra `train`."""
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    lines = evaluations(home / ENGLISH_FRENCH)
    minutes = [line["cpu_seconds"] / 60 for line in lines]
    left.plot(minutes, [line["score"] for line in lines], "o-", label="development, greedy")
    left.plot(minutes[-1], translated["test"]["value"], "D", label="test, mean of checkpoints, beam of 4")
    for (name, score), style in zip(translated["baselines"].items(), ("--", ":"), strict=True):
        left.axhline(score["value"], color="0.4", linestyle=style, label=f"test, {name}")
    left.set_xlabel("CPU-minutes of one core")
    left.set_ylabel("BLEU (sacrebleu)")
    left.set_title("English to French, whole files held out")
    left.set_xlim(left=0)
    left.set_ylim(bottom=0)
    left.legend(fontsize=8)
    names = [problem.removeprefix("scan_") for problem in actions]
    values = [own["test"]["value"] for own in actions.values()]
    bars = right.bar(names, values, color="tab:blue")
    right.bar_label(bars, fmt="%.1f")
    right.axhline(95, color="0.4", linestyle="--", label="bar of simple")
    right.set_ylim(0, 108)
    right.set_ylabel("exact matches, %")
    right.set_title("SCAN, test splits")
    right.legend(fontsize=8, loc="center right")
    for axes in (left, right):
        axes.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
