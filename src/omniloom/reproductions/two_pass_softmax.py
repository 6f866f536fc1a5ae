"""Two-pass softmax: no pass for the largest number, since sums are kept as mantissa and exponent.

Dukhan & Ablavatski ("Two-Pass Softmax Algorithm", 2020) claim that for arrays out of cache it is faster than three
passes, by up to 28 % with AVX-512 (abstract), as it moves 3 numbers where three passes with recomputation move 4
(table 2), and that in cache it is slower, as it computes exp twice (section 6). Here their comparison is repeated with
our kernels of both, each with the same exp and the same stores; and what their kernels leave open, special values and
long sums, is tested.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from omniloom.core.processes import one_thread
from omniloom.core.timing import Ratio, Timings, take_turns
from omniloom.kernels.softmax.operator import Method, run_method
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row

SYSTEM = "two-pass-softmax"
PAPER = "Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), abstract, table 2 and section 6"

IN_CACHE = 1 << 15
BATCH = 1 << 18  # numbers; rows shorter than this are taken together, lest a call by itself be what is timed
SIZES = {"quick": (IN_CACHE, 1 << 24), "usual": (1 << 10, IN_CACHE, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)}
METHODS = {"two": Method.TWO_PASS, "three": Method.THREE_PASS, "stored": Method.STORED, "traffic": Method.BARE_TRAFFIC}

LEAST_RATIO, LEAST_OF_TRAFFIC, MOST_ERROR = 1.2, 0.75, 1e-6
SPECIAL = (
    [0.0, -math.inf, 1.0],
    [-math.inf] * 3,
    [3e38, 1.0, -3.4e38],
    [math.nan, 1.0, 0.0],
    [math.inf, 1.0, 0.0],
    [90.0, 100.0, 95.0],
)


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "tiny") -> Result:
    """Both methods from 1k to 64M numbers; "quick" has one size in cache and one out of it."""
    with one_thread():
        timings = {count: _timed(count, effort) for count in SIZES["quick" if effort == "quick" else "usual"]}
        rows = [*speed_rows(timings), error_row(max(timings)), special_row()]
    if out is not None:
        draw(timings, out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def speed_rows(timings: dict[int, Timings]) -> list[Row]:
    """Two passes over three in cache and out of it, and over what memory allows."""
    outside = {count: found for count, found in timings.items() if count >= 1 << 24}
    ratios = {count: found.ratio("three", "two") for count, found in timings.items()}
    rows = [
        _row(
            f"{count:,} numbers, three passes / two",
            "up to 1.28",
            f"≥ {LEAST_RATIO}",
            ratios[count],
            ratios[count].value >= LEAST_RATIO,
        )
        for count in outside
    ]
    for count, found in outside.items():
        of_traffic = found.ratio("traffic", "two")
        bar = f"≥ {LEAST_OF_TRAFFIC}"
        rows.append(
            _row(
                f"{count:,} numbers, bare traffic / two passes",
                "3 numbers moved",
                bar,
                of_traffic,
                of_traffic.value >= LEAST_OF_TRAFFIC,
            )
        )
    kept = timings[IN_CACHE].ratio("two", "stored")
    rows.append(
        _row(f"{IN_CACHE:,} numbers, two passes / exp stored once", "slower in cache", "> 1", kept, kept.value > 1)
    )
    return rows


def error_row(count: int) -> Row:
    """The largest relative error at the longest row."""
    rows = torch.randn(1, count, generator=torch.Generator().manual_seed(0))
    out = torch.empty_like(rows)
    run_method(rows, out=out, method=Method.TWO_PASS)
    pieces = list(zip(out.split(1 << 20, -1), rows.split(1 << 20, -1), strict=True))
    total = torch.stack([piece.double().logsumexp(-1) for _, piece in pieces]).logsumexp(0)[:, None]
    error = max(float((ours.double() / (piece.double() - total).exp() - 1).abs().max()) for ours, piece in pieces)
    return Row(
        name=f"{count:,} numbers, largest relative error",
        paper="–",
        bar=f"≤ {MOST_ERROR:g}",
        here=f"{error:.1e}",
        is_reached=error <= MOST_ERROR,
    )


def special_row() -> Row:
    """Masks, NaN, infinities, the largest floats and exp beyond a float's range are as in torch."""
    num_right = 0
    for numbers in SPECIAL:
        rows = torch.tensor([numbers * 50])
        out = torch.empty_like(rows)
        run_method(rows, out=out, method=Method.TWO_PASS)
        num_right += torch.allclose(out, rows.softmax(-1), rtol=1e-6, atol=1e-38, equal_nan=True)
    return Row(
        name="special values as torch has them",
        paper="exp overflows nowhere",
        bar=f"{len(SPECIAL)} of {len(SPECIAL)}",
        here=f"{num_right} of {len(SPECIAL)}",
        is_reached=num_right == len(SPECIAL),
    )


def _row(name: str, paper: str, bar: str, ratio: Ratio, is_reached: bool) -> Row:
    return Row(name=name, paper=paper, bar=bar, here=str(ratio), is_reached=is_reached)


def num_rows_of(count: int) -> int:
    return max(1, BATCH // count)


def _timed(count: int, effort: Effort) -> Timings:
    rows = torch.randn(num_rows_of(count), count, generator=torch.Generator().manual_seed(count))
    out = torch.empty_like(rows)
    things = {name: _call(rows, out, method) for name, method in METHODS.items()}
    return take_turns(things, num_rounds=5 if effort == "quick" or count > 1 << 24 else 9, round_s=0.02)


def _call(rows: torch.Tensor, out: torch.Tensor, method: Method) -> Any:
    return lambda: run_method(rows, out=out, method=method)


def draw(timings: dict[int, Timings], path: Path) -> None:
    """Speed by length, as in the paper's figures; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    labels = {
        "two": "two passes",
        "three": "three passes",
        "stored": "exp stored, then scaled",
        "traffic": "bare traffic",
    }
    for name, label in labels.items():
        speeds = [num_rows_of(count) * count / found.typical(name) / 1e9 for count, found in timings.items()]
        axes.plot(list(timings), speeds, "k--" if name == "traffic" else "o-", label=label)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"numbers in a row; below {BATCH:,}, rows of as many together")
    axes.set_ylabel("10⁹ numbers a second, one thread")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
