"""Linear layers with packed weights on one thread beside torch's and oneDNN's.

    python benchmarks/kernels/bench_linear.py [--quick] [--json FILE]

Everything runs in `torch.inference_mode`. Peers: `torch.nn.functional.linear` in float32 and bfloat16, oneDNN with
prepacked weights (`torch.ops.mkldnn._linear_pointwise`), for int8 `torch.ops.onednn.qlinear_pointwise` from uint8 to
float32 and `torch._weight_int8pack_mm` (int8 weights, bfloat16 inputs). `large pages` is torch's linear with its
weight in memory of large pages, which packed weights have. `int8 from bf16` quantizes each row first and is compared
with torch's weight-only product, which keeps its inputs; `int8 weights` keeps them, too. GB/s: bytes of the weight a
second. The roof is the longer of reading the packed weight once in a bare loop and multiplying in registers alone, both
measured in the same turns; peer / roof is the most that anything could reach on this processor.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import roofs
import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.core.timing import Timings, take_turns
from omniloom.kernels import int8_linear, linear, native, pack_linear, quantize_rows
from omniloom.reproductions.result import machine

SIZES = [(1, 4096, 4096), (4, 4096, 4096), (16, 4096, 4096), (128, 1024, 4096), (512, 1024, 1024)]
PAIRS = [
    ("float32", "f32", ("torch f32", "torch f32, large pages", "oneDNN f32")),
    ("bfloat16", "bf16", ("torch bf16", "torch bf16, large pages", "oneDNN bf16")),
    ("int8", "int8", ("oneDNN int8",)),
    ("int8 from bf16", "int8 from bf16", ("torch weight-only",)),
    ("int8 weights", "int8 weights, bf16", ("torch weight-only",)),
]
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "int8": 1, "int8 from bf16": 1, "int8 weights, bf16": 1}
ROOFS = {
    "f32": ("f32", "f32"),
    "bf16": ("bf16", "bf16"),
    "int8": ("int8", "int8"),
    "int8 from bf16": ("int8", "int8"),
    "int8 weights, bf16": ("int8", "bf16"),
}
"""Of each of ours: what is read, and what is multiplied."""


def contenders(num_rows: int, num_inputs: int, num_outputs: int) -> dict[str, Callable[[], Any]]:
    """What is compared, by name; every weight is packed once, before."""
    rows, weight = torch.randn(num_rows, num_inputs), torch.randn(num_outputs, num_inputs)
    narrow, narrow_weight = rows.bfloat16(), weight.bfloat16()
    bytes_ = torch.randint(0, 256, rows.shape, dtype=torch.uint8)
    integers, scales = torch.randint(-127, 128, weight.shape, dtype=torch.int8), torch.rand(num_outputs)
    packed, packed_narrow = pack_linear(weight), pack_linear(narrow_weight)
    packed_int8 = pack_linear(integers, scales=scales)
    large, large_narrow = in_large_pages(weight), in_large_pages(narrow_weight)
    zeros, narrow_scales = torch.zeros(num_outputs, dtype=torch.int64), scales.bfloat16()
    quantized = torch.ops.onednn.qlinear_prepack(integers, None)

    def onednn(input: Tensor, ready: Any) -> Callable[[], Tensor]:
        return lambda: torch.ops.mkldnn._linear_pointwise(input, ready, None, "none", [], "")

    def from_bf16() -> Tensor:
        quantized_rows, row_scales = quantize_rows(narrow)
        return int8_linear(quantized_rows, packed_int8, input_scale=row_scales, dtype=torch.bfloat16)

    calls: dict[str, Callable[[], Any] | None] = {
        "f32": lambda: linear(rows, packed),
        "torch f32": lambda: F.linear(rows, weight),
        "torch f32, large pages": lambda: F.linear(rows, large),
        "oneDNN f32": onednn(rows, torch.ops.mkldnn._reorder_linear_weight(weight, num_rows)),
        "bf16": lambda: linear(narrow, packed_narrow),
        "torch bf16": lambda: F.linear(narrow, narrow_weight),
        "torch bf16, large pages": lambda: F.linear(narrow, large_narrow),
        "oneDNN bf16": onednn(narrow, torch.ops.mkldnn._reorder_linear_weight(narrow_weight, num_rows)),
        "int8": lambda: int8_linear(bytes_, packed_int8, input_scale=0.01, zero_point=3),
        "oneDNN int8": lambda: torch.ops.onednn.qlinear_pointwise(
            bytes_, 0.01, 3, quantized, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        ),
        "int8 from bf16": from_bf16,
        "int8 weights, bf16": lambda: linear(narrow, packed_int8),
        "torch weight-only": lambda: torch._weight_int8pack_mm(narrow, integers, narrow_scales),
        "read f32": roofs.reading(packed.panels),
        "read bf16": roofs.reading(packed_narrow.panels),
        "read int8": roofs.reading(packed_int8.panels),
    }
    for number in ("f32", "bf16", "int8"):
        found = roofs.multiplying(number)
        calls[f"multiply {number}"] = found[0] if found else None
    return {name: call for name, call in calls.items() if call is not None}


def in_large_pages(weight: Tensor) -> Tensor:
    found = torch.empty_like(weight)
    native.prefer_large_pages(found)
    return found.copy_(weight)


def roof_of(ours: str, num_operations: float, found: Timings) -> float | None:
    """Seconds that the processor needs at least, as far as was measured."""
    read, multiplied = (f"{what} {number}" for what, number in zip(("read", "multiply"), ROOFS[ours], strict=True))
    bounds = [found.typical(read)] if read in found.seconds else []
    if (multiplying := roofs.multiplying(ROOFS[ours][1])) is not None and multiplied in found.seconds:
        bounds.append(num_operations * found.typical(multiplied) / multiplying[1])
    return max(bounds, default=None)


def run(size: tuple[int, int, int], *, num_rounds: int, round_s: float) -> list[dict[str, Any]]:
    num_rows, num_inputs, num_outputs = size
    with torch.inference_mode():
        found = take_turns(contenders(*size), num_rounds=num_rounds, round_s=round_s)
    rows = []
    for name, ours, peers in PAIRS:
        seconds = found.typical(ours)
        num_operations = 2.0 * num_rows * num_inputs * num_outputs
        roof = roof_of(ours, num_operations, found)
        for peer in peers:
            ratio = found.ratio(peer, ours)
            rows.append(
                {
                    "size": size,
                    "name": name,
                    "peer": peer,
                    "ms": 1000 * seconds,
                    "peer ms": 1000 * found.typical(peer),
                    "roof ms": None if roof is None else 1000 * roof,
                    "GF/s": 1e-9 * num_operations / seconds,
                    "GB/s": 1e-9 * num_inputs * num_outputs * WEIGHT_BYTES[ours] / seconds,
                    "ratio": (ratio.low, ratio.value, ratio.high),
                }
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| M, K, N | ours | ms | roof, ms | G op/s | GB/s | peer | its ms | peer / ours | peer / roof |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, value, high = row["ratio"]
        size = ", ".join(map(str, row["size"]))
        roof = row["roof ms"]
        at_most = ("–", "–") if roof is None else (f"{roof:.3f}", f"{row['peer ms'] / roof:.2f}")
        cells = [
            size,
            row["name"],
            f"{row['ms']:.3f}",
            at_most[0],
            f"{row['GF/s']:.0f}",
            f"{row['GB/s']:.1f}",
            row["peer"],
        ]
        cells += [f"{row['peer ms']:.3f}", f"**{value:.2f}** ({low:.2f}–{high:.2f})", at_most[1]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small size, once: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = [(2, 64, 64)] if options.quick else SIZES
    effort = {"num_rounds": 2, "round_s": 0.001} if options.quick else {"num_rounds": 11, "round_s": 0.015}
    rows = [row for size in sizes for row in run(size, **effort)]
    print(f"{machine()}, torch {torch.__version__}, one thread\n\n{table(rows)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
