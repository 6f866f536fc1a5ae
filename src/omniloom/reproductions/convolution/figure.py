"""The figure of convolution's reproductions: each layer's speed by every way that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from omniloom.reproductions.convolution.measure import OURS, Measured


def draw(measured: Sequence[Measured], names: Sequence[str], path: Path) -> None:
    """Dots, ours filled; needs the extra `train`."""
    figure = Figure(figsize=(9, 1 + 0.45 * len(measured)))
    axes = figure.subplots()
    for name in names:
        places = [place for place, item in enumerate(measured) if name in item]
        speeds = [measured[place].gflops(name) for place in places]
        is_ours = name.removesuffix(" rows") in OURS
        axes.plot(speeds, places, "o" if is_ours else "x", label=name, ms=7, alpha=0.8)
    axes.set_yticks(range(len(measured)), [item.layer.name for item in measured])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("10⁹ operations of the direct algorithm per second, one thread")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
