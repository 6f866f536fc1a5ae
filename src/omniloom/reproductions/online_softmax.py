"""Online softmax fused with top-k: the normaliser and the largest numbers from one read.

Milakov & Gimelshein ("Online normalizer calculation for softmax", 2018) claim, on a V100, up to 1.3 times the speed of
safe softmax by reading twice instead of three times (section 5.1), and up to 5 times for softmax with top-k of 5 by
fusing the two into one read instead of five (section 5.2), falling as k grows. Here the fused operator stands beside
torch's pair and beside our own softmax followed by our own selection, on one thread of a processor, where memory is
less of a limit; and its values are compared with float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from omniloom.core.processes import one_thread
from omniloom.core.timing import Timings, take_turns
from omniloom.kernels import softmax, softmax_topk
from omniloom.kernels.softmax_topk.operator import select_largest
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row

SYSTEM = "online-softmax"
PAPER = "Milakov & Gimelshein, Online normalizer calculation for softmax (2018), sections 4, 5.1 and 5.2"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rows of logits, and how many times faster than torch's pair and than our own the fused operator must be."""

    num_rows: int
    count: int
    k: int
    over_torch: float
    over_unfused: float | None

    @property
    def name(self) -> str:
        return f"{self.num_rows} x {self.count:,}, k {self.k}"


CASES = (
    Case(num_rows=16, count=32_768, k=5, over_torch=2.5, over_unfused=None),
    Case(num_rows=16, count=32_768, k=50, over_torch=2.5, over_unfused=None),
    Case(num_rows=1, count=131_072, k=5, over_torch=4.5, over_unfused=1.4),
    Case(num_rows=1, count=262_144, k=50, over_torch=4.5, over_unfused=1.4),
    Case(num_rows=16, count=131_072, k=50, over_torch=4.5, over_unfused=1.4),
    Case(num_rows=16, count=262_144, k=5, over_torch=4.5, over_unfused=1.4),
)
QUICK_CASES = (CASES[1], CASES[5])
MOST_ERROR = 1e-6


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "tiny") -> Result:
    """Fused beside torch's pair and our own; "quick" times two shapes and reports the others as not tested."""
    with one_thread():
        chosen = QUICK_CASES if effort == "quick" else CASES
        timings = {case.name: _timed(case, num_rounds=5 if effort == "quick" else 15) for case in chosen}
        rows = [*speed_rows(timings), exactness_row()]
    if out is not None:
        draw(timings, out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def speed_rows(timings: dict[str, Timings]) -> list[Row]:
    """Two rows a shape at most: torch's pair over fused, and our own pair over fused."""
    rows = []
    for case in CASES:
        for peer, bar in (("torch", case.over_torch), ("unfused", case.over_unfused)):
            if bar is None:
                continue
            found = timings[case.name].ratio(peer, "fused") if case.name in timings else None
            rows.append(
                Row(
                    name=f"{case.name}: {'torch' if peer == 'torch' else 'our own'} unfused / fused",
                    paper="up to 5 (V100)",
                    bar=f"≥ {bar}",
                    here=None if found is None else str(found),
                    is_reached=found is not None and found.value >= bar,
                )
            )
    return rows


def exactness_row() -> Row:
    """Values against float64, places against a stable sort."""
    rows = torch.randn(4, 50_000, generator=torch.Generator().manual_seed(0)) * 3
    found = softmax_topk(rows, 50)
    want = rows.double().softmax(-1).sort(dim=-1, descending=True, stable=True)
    error = float((found.values / want.values[:, :50] - 1).abs().max())
    is_same = torch.equal(found.indices, want.indices[:, :50])
    return Row(
        name="largest relative error of values; places",
        paper="the safe softmax's",
        bar=f"≤ {MOST_ERROR:g}; the same",
        here=f"{error:.1e}; {'the same' if is_same else 'others'}",
        is_reached=error <= MOST_ERROR and is_same,
    )


def _timed(case: Case, *, num_rounds: int) -> Timings:
    rows = torch.randn(case.num_rows, case.count, generator=torch.Generator().manual_seed(case.count))
    out = torch.empty_like(rows)
    things = {
        "fused": lambda: softmax_topk(rows, case.k),
        "unfused": lambda: select_largest(softmax(rows, out=out), case.k),
        "torch": lambda: torch.softmax(rows, -1, out=out).topk(case.k),
    }
    return take_turns(things, num_rounds=num_rounds, round_s=0.02)


def draw(timings: dict[str, Timings], path: Path) -> None:
    """Times of the three, a group a shape; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    labels = {"torch": "torch's softmax, then topk", "unfused": "our softmax, then selection", "fused": "fused"}
    for place, (name, label) in enumerate(labels.items()):
        heights = [found.typical("torch") / found.typical(name) for found in timings.values()]
        axes.barh([i + 0.27 * (place - 1) for i in range(len(timings))], heights, 0.25, label=label)
    axes.set_yticks(range(len(timings)), list(timings))
    axes.invert_yaxis()
    axes.set_xlabel("times torch's speed, one thread")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
