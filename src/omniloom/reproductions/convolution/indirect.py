"""Dukhan 2019, "The Indirect Convolution Algorithm": pointers to rows instead of copies of them, at no loss of speed.

The paper replaces the patch matrix of im2col by pointers and compares the two with one micro-kernel; so does this, on
the layers of `layers.py`, and then against what people use instead. A 1x1 layer of stride 1 needs no patches: there
pointers only cost, and are compared with the plain matrix product of the input where it lies, by the same kernel. Every
ratio is of times in turns on one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from omniloom.core.timing import Ratio
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.convolution.layers import LAYERS, POINTWISES, STREAMS
from omniloom.reproductions.convolution.measure import Measured, geometric_mean, measure_each, measure_stream
from omniloom.reproductions.result import Result, Row

SYSTEM = "indirect-convolution"
PAPER = "Dukhan 2019, The Indirect Convolution Algorithm (arXiv:1907.02129)"

NAMES = ("torch", "torch rows", "onednn rows", "xnnpack rows", "indirect rows", "im2col rows")
PAPER_NAMES = ("im2col rows", "indirect rows")
"""Where no patches are needed, `im2col` multiplies the input where it lies, without pointers."""
QUICK_FLOPS = 1e9

OVER_IM2COL, POINTWISE_LOSS = 1.15, 0.05
OVER_PREPACKED, OVER_TORCH, OVER_TORCH_STREAM = 0.95, 1.25, 1.5


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "") -> Result:
    """Measure; "quick" leaves out layers of more than a billion operations and takes fewer rounds.

    Args:
        checkpoint: Not used; every reproduction takes one.
    """
    is_quick = effort == "quick"
    layers = [layer for layer in LAYERS if not is_quick or layer.flops < QUICK_FLOPS]
    num_rounds = 5 if is_quick else 9
    measured = measure_each(layers, NAMES, title=SYSTEM, num_rounds=num_rounds)
    matrices = measure_each(POINTWISES, PAPER_NAMES, title=f"{SYSTEM}, 1x1", num_rounds=num_rounds)
    streams = [
        measure_stream(width, taps=taps, dilation=dilation, num_rounds=5 if is_quick else 15).ratio("torch", "stream")
        for width, taps, dilation in STREAMS
    ]
    if out is not None:
        from omniloom.reproductions.convolution.figure import draw

        draw(measured, NAMES, out / f"{SYSTEM}.png")
    rows = [*paper_rows(measured, matrices), *peer_rows(measured, streams)]
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def paper_rows(measured: Sequence[Measured], matrices: Sequence[Measured]) -> list[Row]:
    """The paper's own comparison: with im2col and the same micro-kernel."""
    gathered = [item for item in measured if item.layer.needs_patches and item.layer.groups == 1]
    pointers = sum(item.layer.pointer_bytes for item in gathered)
    patches = sum(item.layer.patch_bytes for item in gathered)
    needless = sum(item.layer.pointer_bytes for item in matrices)
    inputs = sum(item.layer.patch_bytes for item in matrices)  # one tap: the input itself
    return [
        ratio_row("over im2col, where im2col is needed", "up to 1.62", OVER_IM2COL, by_paper(gathered)),
        bytes_row("bytes of pointers, of patches", pointers, patches),
        ratio_row(
            "over the plain matrix product, 1x1 of stride 1", "a minor loss", 1 - POINTWISE_LOSS, by_paper(matrices)
        ),
        bytes_row("bytes of pointers, of input, 1x1 of stride 1", needless, inputs),
    ]


def by_paper(measured: Sequence[Measured]) -> list[Ratio]:
    return [item.ratio(*PAPER_NAMES) for item in measured]


def bytes_row(name: str, pointers: int, others: int) -> Row:
    """Of buffers for whole layers; the library makes one chunk of a layer's pointers at a time."""
    return Row(
        name=name,
        paper="no patch matrix",
        bar="less than a tenth",
        here=f"{pointers:,}, {others:,}",
        is_reached=10 * pointers < others,
    )


def peer_rows(measured: Sequence[Measured], streams: Collection[Ratio]) -> list[Row]:
    """Against what people use instead: each peer in the faster of its layouts."""
    rows = [
        ratio_row(f"over {label}", "–", bar, against(measured, names))
        for label, bar, names in (
            ("oneDNN, prepacked", OVER_PREPACKED, ("onednn rows", "onednn")),
            ("XNNPACK", OVER_PREPACKED, ("xnnpack rows",)),
            ("torch", OVER_TORCH, ("torch", "torch rows")),
        )
    ]
    if "executorch" in peers.missing():
        rows[1] = Row(name=f"over XNNPACK: {peers.missing()['executorch']}", paper="–", bar=rows[1].bar, here=None)
    return [*rows, ratio_row("over torch, a stream's next frame", "–", OVER_TORCH_STREAM, streams)]


def against(measured: Sequence[Measured], names: Collection[str], ours: str = "indirect rows") -> list[Ratio]:
    return [item.ratio(item.fastest(names), ours) for item in measured if any(name in item for name in names)]


def ratio_row(name: str, paper: str, bar: float, ratios: Collection[Ratio]) -> Row:
    """The geometric mean and the range of its layers."""
    if not ratios:
        return Row(name=name, paper=paper, bar=f"{bar:g}", here=None)
    found = geometric_mean(ratios)
    values = [ratio.value for ratio in ratios]
    spread = f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else f" ({next(iter(ratios))})"
    return Row(name=name, paper=paper, bar=f"{bar:g}", here=f"{found:.2f}{spread}", is_reached=found >= bar)
