"""Two pictures of a code evaluation: pass@k against k for each temperature, and what each way of choosing is worth."""

from __future__ import annotations

from pathlib import Path

from omniloom.evaluation.code.report import CodeReport


def draw(report: CodeReport, path: str | Path, *, title: str) -> None:
    """Write a PNG or SVG; needs the extra `train`.

    Raises:
        ValueError: If matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ValueError("the figure needs matplotlib: pip install 'omniloom[train]'") from error
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    curves, bars = figure.subplots(1, 2, width_ratios=(3, 2))
    colours = _colours(len(report.curves))
    for (temperature, curve), colour in zip(report.curves.items(), colours, strict=True):
        curves.plot(list(curve), list(curve.values()), marker="o", markersize=3, color=colour, label=f"T {temperature}")
    curves.set(xscale="log", xlabel="k", ylabel="pass@k", title=title)
    ticks = sorted({k for curve in report.curves.values() for k in curve} & {1, 2, 5, 10, 20, 50, 100, 200})
    curves.set_xticks(ticks, [str(k) for k in ticks])
    curves.minorticks_off()
    curves.set_ylim(0, 1)
    curves.legend(frameon=False)
    width = 0.8 / max(1, len(report.rankings))
    for number, (temperature, ranking) in enumerate(report.rankings.items()):
        places = [place + number * width for place in range(len(ranking))]
        colour = colours[list(report.curves).index(temperature)]
        bars.bar(places, list(ranking.values()), width=width, color=colour, label=f"T {temperature}")
        names = [name.replace(" log-", "\nlog-\n").replace("back-", "back-\n") for name in ranking]
        middle = (len(report.rankings) - 1) * width / 2
        bars.set_xticks([place + middle for place in range(len(ranking))], names)
    bars.set(ylim=(0, 1), ylabel="share of problems solved", title="one sample chosen of all")
    for axes in (curves, bars):
        axes.spines[["top", "right"]].set_visible(False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(str(path), dpi=150)


def _colours(count: int) -> list[tuple[float, float, float]]:
    """From blue, which is cold, to red."""
    steps = [number / max(1, count - 1) for number in range(count)]
    return [(0.15 + 0.7 * step, 0.35 - 0.15 * step, 0.8 - 0.65 * step) for step in steps]
