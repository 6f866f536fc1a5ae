"""Convolution against torch, oneDNN, XNNPACK and ncnn, layer by layer, on one thread.

    python benchmarks/kernels/bench_convolution.py                  # a minute
    python benchmarks/kernels/bench_convolution.py --quick          # seconds; too few rounds to quote
    python benchmarks/kernels/bench_convolution.py --json conv.json

Columns are 10⁹ operations of the direct algorithm per second; "rows" takes and gives channels-last, the others torch's
own layout. oneDNN's weights are reordered for the very input, XNNPACK runs through executorch, ncnn in float32 with its
Winograd; `im2col` copies patches, and where none are needed multiplies the input where it lies. Ratios compare rounds
in turns: the middle, and in brackets the range that half of the rounds lie in.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from omniloom.core.timing import Ratio
from omniloom.kernels import chosen_instruction_set
from omniloom.reproductions.convolution import Layer, Measured, geometric_mean, measure, measure_stream, peers
from omniloom.reproductions.convolution.indirect import PAPER_NAMES, against, by_paper
from omniloom.reproductions.convolution.layers import LAYERS, POINTWISES, STREAM, STREAMS
from omniloom.reproductions.result import machine

COLUMNS = {
    "torch": "torch", "torch rows": "rows", "onednn": "oneDNN", "onednn rows": "rows", "xnnpack rows": "XNNPACK rows",
    "ncnn": "ncnn", "im2col rows": "im2col rows", "indirect": "indirect", "indirect rows": "rows", "auto": "auto",
    "auto rows": "rows",
}  # fmt: skip
RATIOS = (
    ("indirect rows over im2col rows, where im2col is needed", ("im2col rows",), "indirect rows"),
    ("indirect rows over oneDNN, its faster layout", ("onednn", "onednn rows"), "indirect rows"),
    ("indirect rows over XNNPACK", ("xnnpack rows",), "indirect rows"),
    ("indirect rows over torch, its faster layout", ("torch", "torch rows"), "indirect rows"),
    ("indirect over torch, both in torch's own layout", ("torch",), "indirect"),
    ("auto over torch, both in torch's own layout", ("torch",), "auto"),
)
QUICK_LAYERS = (LAYERS[2], LAYERS[7], LAYERS[8])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three layers, two rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every ratio and speed here")
    options = parser.parse_args()
    layers, num_rounds = (QUICK_LAYERS, 2) if options.quick else ((*LAYERS, STREAM), 7)
    print(f"{machine()}; {chosen_instruction_set()}")
    for name, reason in peers.missing().items():
        print(f"missing: {name}: {reason}")
    print(f"\n| layer | {' | '.join(COLUMNS.values())} |\n|---|{'---|' * len(COLUMNS)}")
    measured = []
    for layer in layers:
        measured.append(measure(layer, tuple(COLUMNS), num_rounds=num_rounds, round_s=0.008))
        cells = [f"{measured[-1].gflops(name):.0f}" if name in measured[-1] else "–" for name in COLUMNS]
        print(f"| {layer.name} | {' | '.join(cells)} |", flush=True)
    found = {
        "ratios": ratio_table(measured),
        "pointwise": pointwise_table(POINTWISES[:2] if options.quick else POINTWISES, num_rounds),
        "streams": stream_table(num_rounds),
        "speeds": speeds(measured),
    }
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def ratio_table(measured: Sequence[Measured]) -> dict[str, dict[str, str]]:
    """Each ratio's geometric mean, and every layer's with its spread."""
    print("\n| ratio | geometric mean | by layer |\n|---|---|---|")
    found = {}
    for name, theirs, ours in RATIOS:
        chosen = [item for item in measured if any(peer in item for peer in theirs) and item.layer is not STREAM]
        if "im2col" in theirs[0]:
            chosen = [item for item in chosen if item.layer.needs_patches]
        if not chosen:
            continue
        ratios = against(chosen, theirs, ours)
        by_layer = {item.layer.name: str(ratio) for item, ratio in zip(chosen, ratios, strict=True)}
        mean = geometric_mean(ratios)
        print(f"| {name} | {mean:.2f} | {'; '.join(f'{layer}: {ratio}' for layer, ratio in by_layer.items())} |")
        found[name] = {"geometric mean": f"{mean:.3f}", **by_layer}
    return found


def pointwise_table(layers: Sequence[Layer], num_rounds: int) -> dict[str, str]:
    """What pointers cost where none are needed: against the plain product of the input where it lies."""
    print("\n| 1x1 of stride 1 | indirect over the plain matrix product | bytes of pointers | of input |")
    print("|---|---|---|---|")
    measured = [measure(layer, PAPER_NAMES, num_rounds=num_rounds) for layer in layers]
    ratios = by_paper(measured)
    for item, ratio in zip(measured, ratios, strict=True):
        layer = item.layer
        print(f"| {layer.name} | {ratio} | {layer.pointer_bytes:,} | {layer.patch_bytes:,} |")
    print(f"| geometric mean | {geometric_mean(ratios):.3f} | | |")
    return {item.layer.name: str(ratio) for item, ratio in zip(measured, ratios, strict=True)}


def stream_table(num_rounds: int) -> dict[str, str]:
    """One frame and the next past, over torch's conv1d on past and frame joined."""
    print("\n| stream's next frame | over torch |\n|---|---|")
    ratios: dict[str, Ratio] = {}
    for width, taps, dilation in STREAMS:
        name = f"{width} channels, {taps} taps, dilation {dilation}"
        ratios[name] = measure_stream(width, taps=taps, dilation=dilation, num_rounds=num_rounds).ratio(
            "torch", "stream"
        )
        print(f"| {name} | {ratios[name]} |")
    print(f"| geometric mean | {geometric_mean(ratios.values()):.2f} |")
    return {name: str(ratio) for name, ratio in ratios.items()}


def speeds(measured: Sequence[Measured]) -> dict[str, dict[str, float]]:
    return {item.layer.name: {name: round(item.gflops(name), 1) for name in item.timings.seconds} for item in measured}


if __name__ == "__main__":
    main()
