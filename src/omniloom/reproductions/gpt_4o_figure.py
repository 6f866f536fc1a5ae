"""The figure of `gpt_4o`: every direction beside its bar, and how soon answers begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from omniloom.evaluation.report import CellScore
from omniloom.reproductions import gpt_4o
from omniloom.reproductions.first_sound import FirstSound


def draw(cells: Sequence[CellScore], latencies: Sequence[FirstSound], path: Path) -> None:
    """Bars for scores, dots for answers; needs the extra `train`."""
    figure = Figure(figsize=(11, 7))
    left, right = figure.subplots(1, 2, width_ratios=(3, 1))
    names = list(dict.fromkeys(cell.name for cell in cells if cell.kind in ("cell", "mixed")))
    for split, shift, colour in (("new", -0.2, "#3b6ea5"), ("composed", 0.2, "#d98c3f")):
        scores = {cell.name: cell.score for cell in cells if cell.split == split}
        if not scores:
            continue
        places = [place + shift for place, name in enumerate(names) if name in scores]
        left.barh(places, [scores[name] for name in names if name in scores], 0.38, color=colour, label=split)
    left.axvline(gpt_4o.NEW_OF_CEILING, color="#3b6ea5", linestyle=":")
    left.axvline(gpt_4o.COMPOSED, color="#d98c3f", linestyle=":")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlim(0, 1)
    left.set_xlabel("exact replies; dotted: the bars")
    left.legend(loc="lower left")
    answers = [item.after_speech_ms for item in latencies if item.after_speech_ms is not None]
    right.plot(sorted(answers), range(1, len(answers) + 1), "o", color="#333333", ms=4)
    right.axvline(gpt_4o.BEST_MS, color="grey", linestyle=":")
    right.axvline(gpt_4o.MEAN_MS, color="grey", linestyle="--")
    right.set_xlim(left=0)
    right.set_xlabel("ms from last word to first sound\n(lines: the card's two)")
    right.set_ylabel("answers, quickest first")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
