"""Softmax on one thread beside torch, XNNPACK, and what neither exp nor memory can be faster than.

    python benchmarks/kernels/bench_softmax.py [--quick] [--json FILE]

Every peer writes into memory that is there already. XNNPACK is reached through `executorch`, on one thread
(`make peers`).
`two / three` compares our own two passes with our own three, both with non-temporal stores. `of traffic`: the time to
read the row twice and stream it out once, over ours; above 100 % because the second pass starts with the pieces that
the first one left in cache. `of exp`: the time of a bare loop of the same exp over the same data, over ours.
Errors are relative to each result, the largest of all, against float64.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom.core.timing import take_turns
from omniloom.kernels import softmax
from omniloom.kernels.softmax.operator import Method, run_method
from omniloom.reproductions.result import machine

SHAPES = [(1024, 1024), (32, 32_768), (1, 262_144), (1, 1 << 20), (1, 1 << 22), (1, 1 << 24), (1, 1 << 26)]
QUICK_SHAPES = [(4, 1024), (1, 1 << 16)]


class Softmax(torch.nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return rows.softmax(-1)


def xnnpack(rows: Tensor) -> Callable[[], Any]:
    """XNNPACK's softmax of rows of this shape, on the calling thread."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.extension.pybindings import _C

    exported = torch.export.export(Softmax(), (rows,))
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    _C._unsafe_reset_threadpool(1)
    buffer = program.buffer
    loaded = _C._load_for_executorch_from_buffer(buffer)

    def call(_keeps: Any = buffer) -> Any:  # the program is read from there as it runs
        return loaded.run_method("forward", (rows,), clone_outputs=False)

    return call


def relative_error(found: Tensor, rows: Tensor) -> float:
    """The largest of all results, against float64; in pieces, for the longest rows would fill the memory."""
    pieces = list(zip(found.split(1 << 20, -1), rows.split(1 << 20, -1), strict=True))
    total = torch.stack([piece.double().logsumexp(-1) for _, piece in pieces]).logsumexp(0)[:, None]
    return max(float((ours.double() / (piece.double() - total).exp() - 1).abs().max()) for ours, piece in pieces)


def compare(shape: tuple[int, int], *, num_rounds: int, round_s: float, has_xnnpack: bool) -> dict[str, Any]:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(shape[1]))
    out = torch.empty_like(rows)
    things: dict[str, Callable[[], Any]] = {
        "ours": lambda: softmax(rows, out=out),
        "torch": lambda: torch.softmax(rows, -1, out=out),
        "two": lambda: run_method(rows, out=out, method=Method.TWO_PASS),
        "three": lambda: run_method(rows, out=out, method=Method.THREE_PASS),
        "exp": lambda: run_method(rows, out=out, method=Method.BARE_EXPONENTIAL),
        "traffic": lambda: run_method(rows, out=out, method=Method.BARE_TRAFFIC),
    }
    if has_xnnpack:
        things["xnnpack"] = xnnpack(rows)
    timings = take_turns(things, num_rounds=num_rounds, round_s=round_s)
    return {
        "shape": f"{shape[0]} x {shape[1]:,}",
        "ours_g_per_s": rows.numel() / timings.typical("ours") / 1e9,
        "torch": timings.ratio("torch", "ours"),
        "xnnpack": timings.ratio("xnnpack", "ours") if has_xnnpack else None,
        "two_over_three": timings.ratio("three", "two"),
        "of_traffic": timings.ratio("traffic", "ours"),
        "of_exp": timings.ratio("exp", "ours"),
        "error": relative_error(softmax(rows, out=out), rows),
        "torch_error": relative_error(torch.softmax(rows, -1, out=out), rows),
    }


def find_xnnpack() -> str:
    """Why XNNPACK cannot be measured; empty if it can."""
    try:
        xnnpack(torch.zeros(1, 16))
    except (ImportError, RuntimeError) as error:
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes and two rounds: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    missing = find_xnnpack()
    print(f"{machine()}; one thread; torch {torch.__version__}")
    print(f"XNNPACK is missing: {missing}" if missing else "XNNPACK through executorch")
    columns = ("G/s", "x torch", "x XNNPACK", "two / three", "of traffic", "of exp", "error", "torch's error")
    print("\n| rows | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    found = []
    for shape in QUICK_SHAPES if options.quick else SHAPES:
        is_long = shape[1] > 1 << 23
        num_rounds = 2 if options.quick else 5 if is_long else 11
        row = compare(shape, num_rounds=num_rounds, round_s=0.001 if options.quick else 0.02, has_xnnpack=not missing)
        found.append(row)
        cells = [row[name] for name in ("torch", "xnnpack", "two_over_three", "of_traffic", "of_exp")]
        shown = [f"{row['ours_g_per_s']:.2f}", *["missing" if cell is None else str(cell) for cell in cells]]
        print("| " + " | ".join([row["shape"], *shown, f"{row['error']:.1e}", f"{row['torch_error']:.1e}"]) + " |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
