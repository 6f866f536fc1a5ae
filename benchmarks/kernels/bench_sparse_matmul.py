"""1x1 convolutions by sparse weights on one thread beside FBGEMM, torch's CSR product and dense ones.

    python benchmarks/kernels/bench_sparse_matmul.py [--quick] [--json FILE]

Everything runs in `torch.inference_mode` and allocates its output. FBGEMM is the `SparseDenseMM` inside torch's
library, called without a dispatcher; CSR is `torch.sparse_csr` times dense; oneDNN is dense with prepacked weights,
in the better of two layouts; XNNPACK is dense, through executorch with channels last (its sparse kernels are switched
off on processors with AVX); torch is eager. Ratios are medians over rounds with the range of half of them; the last
line of each share of zeros is the geometric mean over layers.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from omniloom.core.timing import Timings, take_turns
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.result import machine
from omniloom.reproductions.sparse_products import Pointwise, dense, fbgemm, sparse, xnnpack

LAYERS = [
    Pointwise(num_inputs=128, num_outputs=256, side=56),
    Pointwise(num_inputs=256, num_outputs=512, side=28),
    Pointwise(num_inputs=512, num_outputs=512, side=14),
    Pointwise(num_inputs=1024, num_outputs=1024, side=7),
]
SPARSITIES = (0.7, 0.8, 0.9, 0.95)
PEERS = ("FBGEMM", "XNNPACK", "CSR", "oneDNN", "torch")


def contenders(layer: Pointwise, sparsity: float) -> dict[str, Callable[[], Any]]:
    input, weight = layer.input(), layer.pruned(sparsity)
    narrow = weight.bfloat16()
    images, whole = input.flatten(2)[0], weight[:, :, None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        rows = weight.to_sparse_csr()
    calls: dict[str, Callable[[], Any]] = {
        "ours": sparse(input, weight),
        "ours, bf16": sparse(input, narrow),
        "ours, blocks of 2": sparse(input, layer.pruned(sparsity, block=2), block=2),
        "ours, blocks of 4": sparse(input, layer.pruned(sparsity, block=4), block=4),
        "CSR": lambda: rows @ images,
        "torch": lambda: torch.nn.functional.conv2d(input, whole),
        **dense(input, weight),
    }
    found = {"FBGEMM": fbgemm(input, weight), "XNNPACK": xnnpack(input, weight)}
    return calls | {name: peer for name, peer in found.items() if peer is not None}


def run(layer: Pointwise, sparsity: float, *, num_rounds: int, round_s: float) -> dict[str, Any]:
    calls = contenders(layer, sparsity)
    with torch.inference_mode():
        found = take_turns(calls, num_rounds=num_rounds, round_s=round_s)
    best = min((name for name in calls if name.startswith("oneDNN")), key=found.typical)
    found = Timings(seconds={**found.seconds, "oneDNN": found.seconds[best]})
    ratios = {peer: found.ratio(peer, "ours") for peer in PEERS if peer in found.seconds}
    return {
        "layer": str(layer),
        "sparsity": sparsity,
        "ms": {name: 1000 * found.typical(name) for name in found.seconds},
        "ratios": {peer: (ratio.low, ratio.value, ratio.high) for peer, ratio in ratios.items()},
        "GF/s": 2e-9 * (1 - sparsity) * layer.num_inputs * layer.num_outputs * layer.side**2 / found.typical("ours"),
    }


def table(rows: list[dict[str, Any]]) -> str:
    own = [name for name in rows[0]["ms"] if name.startswith("ours")]
    lines = [
        "| zeros | layer | " + " | ".join(f"{name}, ms" for name in own) + " | GF/s | "
        + " | ".join(f"{peer} / ours" for peer in PEERS) + " |",
        "|---|---|" + "---|" * (len(own) + 1 + len(PEERS)),
    ]  # fmt: skip
    for sparsity in dict.fromkeys(row["sparsity"] for row in rows):
        here = [row for row in rows if row["sparsity"] == sparsity]
        for row in here:
            cells = [f"{row['ms'][name]:.3f}" for name in own] + [f"{row['GF/s']:.0f}"]
            cells += [_spread(row["ratios"].get(peer)) for peer in PEERS]
            lines.append(f"| {sparsity:.0%} | {row['layer']} | " + " | ".join(cells) + " |")
        means = [_mean([row["ratios"][peer][1] for row in here if peer in row["ratios"]]) for peer in PEERS]
        lines.append(f"| {sparsity:.0%} | geometric mean |" + " |" * (len(own) + 1) + " " + " | ".join(means) + " |")
    return "\n".join(lines)


def _spread(ratio: tuple[float, float, float] | None) -> str:
    return "missing" if ratio is None else f"{ratio[1]:.2f} ({ratio[0]:.2f}–{ratio[2]:.2f})"


def _mean(ratios: list[float]) -> str:
    return f"**{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}**" if ratios else "missing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small layer, once: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [Pointwise(num_inputs=32, num_outputs=32, side=7)] if options.quick else LAYERS
    effort = {"num_rounds": 2, "round_s": 0.001} if options.quick else {"num_rounds": 11, "round_s": 0.008}
    rows = [run(layer, sparsity, **effort) for sparsity in SPARSITIES for layer in layers]
    print(f"{machine()}, torch {torch.__version__}, one thread\n\n{table(rows)}")
    if "executorch" in (missing := peers.missing()):
        print(f"\nmissing: XNNPACK: {missing['executorch']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
