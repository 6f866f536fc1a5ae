"""Cut-ins against ends that are missed or heard late, over every threshold: the whole trade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omniloom.evaluation.turn_ends.decisions import MOST_CUT_INS, MOST_MISSED


def draw_turns(report: Mapping[str, Any], path: str | Path) -> None:
    """Two plots of a report in its JSON form, as `TurnReport.to_json` gives it; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4))
    axes = figure.subplots(1, 2, sharey=True)
    everyone = {score["detector"]: score for score in report["scores"] if score["language"] == "all"}
    kinds = (("missed", "missed ends"), ("late", "ends not decided within 160 ms"))
    for axis, (name, label) in zip(axes, kinds, strict=True):
        for frames in sorted({point["num_frames"] for point in report["curve"]}):
            points = [point for point in report["curve"] if point["num_frames"] == frames]
            axis.plot(
                [_of(p, name) for p in points], [p["cut_ins"] for p in points], "o-", ms=3, label=f"{frames} frames"
            )
        for marker, (detector, score) in zip("*Xsd", everyone.items(), strict=False):
            axis.plot(_of(score, name), score["cut_ins"], marker, ms=12, color="black", label=detector)
        axis.axhline(MOST_CUT_INS, color="grey", linestyle=":")
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].axvline(MOST_MISSED, color="grey", linestyle=":")
    axes[0].set_ylabel("cut-ins")
    axes[0].legend()
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _of(point: Mapping[str, Any], name: str) -> float:
    return float(1 - point["cut_ins"] - point["within_160_ms"] if name == "late" else point["missed"])
