"""Softmax with top-k on one thread beside torch's pair and beside our own softmax followed by our own selection.

    python benchmarks/kernels/bench_softmax_topk.py [--quick] [--json FILE]

The pair of torch and our own write the probabilities into memory that is there already. `unfused` reads the
probabilities with the same selection that the fused operator has. Logits are normal; single rows repeat one row, so all
is in cache.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from omniloom.core.timing import take_turns
from omniloom.kernels import softmax, softmax_topk
from omniloom.kernels.softmax_topk.operator import select_largest
from omniloom.reproductions.result import machine

CASES = [
    (16, 32_768, 5),
    (16, 32_768, 50),
    (1, 131_072, 5),
    (1, 262_144, 50),
    (16, 131_072, 50),
    (16, 262_144, 5),
]
QUICK_CASES = [(2, 1000, 5)]


def compare(num_rows: int, count: int, k: int, *, num_rounds: int, round_s: float) -> dict[str, Any]:
    rows = torch.randn(num_rows, count, generator=torch.Generator().manual_seed(count))
    out = torch.empty_like(rows)
    timings = take_turns(
        {
            "ours": lambda: softmax_topk(rows, k),
            "torch": lambda: torch.softmax(rows, -1, out=out).topk(k),
            "unfused": lambda: select_largest(softmax(rows, out=out), k),
        },
        num_rounds=num_rounds,
        round_s=round_s,
    )
    return {
        "shape": f"{num_rows} x {count:,}",
        "k": k,
        **{f"{name}_ms": 1000 * timings.typical(name) for name in ("ours", "torch", "unfused")},
        "over_torch": timings.ratio("torch", "ours"),
        "over_unfused": timings.ratio("unfused", "ours"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small shape and two rounds: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; one thread; torch {torch.__version__}\n")
    print("| rows | k | ours, ms | torch, ms | unfused, ms | x torch | x unfused |\n|---|---|---|---|---|---|---|")
    found = []
    effort = {"num_rounds": 2, "round_s": 0.001} if options.quick else {"num_rounds": 15, "round_s": 0.02}
    for case in QUICK_CASES if options.quick else CASES:
        row = compare(*case, **effort)
        found.append(row)
        times = [f"{row[f'{name}_ms']:.3f}" for name in ("ours", "torch", "unfused")]
        ratios = [str(row["over_torch"]), str(row["over_unfused"])]
        print("| " + " | ".join([row["shape"], str(row["k"]), *times, *ratios]) + " |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
