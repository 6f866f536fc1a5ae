"""The figure: accuracy on unseen mappings against the number of solved items shown, for both sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from omniloom.data.problems.in_context import FAMILIES
from omniloom.reproductions.gpt_3.meta import SHOTS, Scores

COLOURS = {"small": "tab:orange", "large": "tab:blue"}


def draw(scores: Sequence[Scores], path: Path) -> None:
    """The headline's family on the left, with intervals over mappings; each family on the right. Extra `train`."""
    figure = Figure(figsize=(11, 4.2))
    together, apart = figure.subplots(1, 2, sharey=True)
    places = [str(shots) for shots in SHOTS]
    for own in scores:
        means = [own.mean(shots) for shots in places]
        values, colour = [mean.value for mean in means], COLOURS[own.size]
        together.plot(places, values, "o-", color=colour, label=own.size)
        lows, highs = ([getattr(mean.interval, end) for mean in means] for end in ("low", "high"))
        together.fill_between(range(len(places)), lows, highs, color=colour, alpha=0.2, lw=0)
        control = own.mean("few", control=True).value
        together.plot([places[-1]], [control], "x", color=colour, ms=9, label=f"{own.size}, shuffled answers")
        for name, style in zip(FAMILIES, ("-", "--", ":", "-.", (0, (1, 3))), strict=True):
            label = name if own.size == "large" else None
            apart.plot(places, [own.family(name, shots) for shots in places], ls=style, color=colour, label=label)
    for axes, title in ((together, "unseen mappings: one letter for another"), (apart, "by family, both sizes")):
        axes.set_title(title)
        axes.set_xlabel("solved items in the prompt")
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
        axes.legend()
    together.set_ylabel("accuracy")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
