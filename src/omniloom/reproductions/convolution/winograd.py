"""Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks": 3x3 layers in fewer multiplications.

The paper's layers are those of VGG, at batches of 1 to 64. Here they are compared with the direct algorithm of oneDNN,
with ncnn's Winograd, and with our own direct path where Winograd has little to win. Errors are against float64. A batch
of 64 takes seconds a call, so that the larger a layer is, the fewer rounds it gets; none is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional as F

from omniloom.kernels import prepack
from omniloom.kernels.convolution.operator import Algorithm
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.convolution.indirect import against, ratio_row
from omniloom.reproductions.convolution.layers import OTHERS_3X3, VGG, Layer, square
from omniloom.reproductions.convolution.measure import Measured, measure_each
from omniloom.reproductions.result import Result, Row

SYSTEM = "winograd"
PAPER = "Lavin & Gray 2015, Fast Algorithms for Convolutional Neural Networks (arXiv:1509.09308)"

NAMES = ("onednn rows", "auto rows")
NCNN_NAMES = ("ncnn", "auto")
OTHER_NAMES = ("indirect rows", "auto rows")
TABLE = (square(64, 64, 56), square(128, 128, 28), square(256, 256, 14))
BATCHES = (4, 16, 64)

OVER_ONEDNN, OVER_NCNN, OVER_DIRECT, ERROR = 2.2, 1.1, 0.97, 1e-5


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "") -> Result:
    """Measure; "quick" takes a few layers and batches of 1.

    Args:
        checkpoint: Not used; every reproduction takes one.
    """
    is_quick = effort == "quick"
    num_rounds = 5 if is_quick else 9
    layers = TABLE if is_quick else (*TABLE, *VGG)
    single = measure_each(layers, (*NAMES, *NCNN_NAMES), title=SYSTEM, num_rounds=num_rounds)
    others = measure_each(OTHERS_3X3, OTHER_NAMES, title=f"{SYSTEM}, small layers", num_rounds=num_rounds)
    rows = [
        ratio_row("over oneDNN, prepacked, batch 1", "–", OVER_ONEDNN, against(single, ("onednn rows",), "auto rows")),
        ncnn_row(single),
        ratio_row(
            "over our direct path, small layers", "–", OVER_DIRECT, against(others, ("indirect rows",), "auto rows")
        ),
        *(batch_row(batch, is_quick=is_quick) for batch in BATCHES),
        *error_rows(TABLE),
    ]
    if out is not None:
        from omniloom.reproductions.convolution.figure import draw

        draw(single, (*NAMES, *NCNN_NAMES), out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def ncnn_row(single: Sequence[Measured]) -> Row:
    """Both in torch's own layout, which both have to turn into another."""
    if "ncnn" in peers.missing():
        return Row(name=f"over ncnn: {peers.missing()['ncnn']}", paper="–", bar=f"{OVER_NCNN:g}", here=None)
    return ratio_row("over ncnn's Winograd, batch 1", "–", OVER_NCNN, against(single, ("ncnn",), "auto"))


def batch_row(batch: int, *, is_quick: bool) -> Row:
    layers = [] if is_quick else [layer.with_batch(batch) for layer in VGG]
    measured = measure_each(layers, NAMES, title=f"{SYSTEM}, batch {batch}", num_rounds=3)
    name = f"over oneDNN, prepacked, batch {batch}"
    return ratio_row(name, "–", OVER_ONEDNN, against(measured, ("onednn rows",), "auto rows"))


def error_rows(layers: Sequence[Layer]) -> list[Row]:
    """The largest error over the output's largest number."""
    found = []
    for side, fewer in ((2, "2.25"), (4, "4")):
        errors = [largest_error(layer, side) for layer in layers]
        row = Row(
            name=f"error of F({side}x{side}, 3x3)",
            paper=f"{fewer} times fewer products",
            bar=f"{ERROR:g}",
            here=f"{max(errors):.1e}",
            is_reached=max(errors) <= ERROR,
        )
        found.append(row)
    return found


def largest_error(layer: Layer, side: int) -> float:
    torch.manual_seed(0)
    x, weight, bias = layer.draw()
    algorithm: Algorithm = "winograd2" if side == 2 else "winograd4"
    with torch.inference_mode():
        found = prepack(weight, bias, padding=layer.padding, algorithm=algorithm)(x)
        expected = F.conv2d(x.double(), weight.double(), bias.double(), padding=layer.padding)
    return float((found - expected).abs().max() / expected.abs().max())
