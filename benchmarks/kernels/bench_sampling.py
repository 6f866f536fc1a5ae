"""Drawing tokens on one thread, beside torch's path by sorting and drawing from all (`multinomial`).

    python benchmarks/kernels/bench_sampling.py [--quick] [--json FILE]

The peer is the arithmetic of transformers' warpers: sort, softmax, running sum, mask, scatter, softmax, multinomial;
for top-k, `topk` and a mask. Logits are normal times `spread`: at 1 and 4 top-p keeps tens of thousands of tokens, the
hard case; at 16 a few are, as with a trained model.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom.core.timing import take_turns
from omniloom.kernels import sample
from omniloom.reproductions.result import machine

SETTINGS = [
    {"top_p": 0.9},
    {"top_k": 50},
    {"top_k": 50, "top_p": 0.9, "temperature": 0.7},
    {"min_p": 0.05},
    {},
]
SPREADS = (1.0, 4.0, 16.0)
SHAPE, QUICK_SHAPE = (16, 262_144), (2, 3000)


def by_torch(
    logits: Tensor, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0
) -> Tensor:
    scores = logits / temperature if temperature != 1 else logits
    if top_k:
        scores = scores.masked_fill(scores < scores.topk(top_k).values[:, -1:], -math.inf)
    if top_p < 1:
        values, places = scores.sort(descending=False)
        is_cut = values.softmax(-1).cumsum(-1) <= 1 - top_p
        is_cut[:, -1:] = False
        scores = scores.masked_fill(is_cut.scatter(1, places, is_cut), -math.inf)
    probabilities = scores.softmax(-1)
    if min_p > 0:
        is_cut = probabilities < min_p * probabilities.amax(-1, keepdim=True)
        probabilities = scores.masked_fill(is_cut, -math.inf).softmax(-1)
    return torch.multinomial(probabilities, 1)


def compare(shape: tuple[int, int], spread: float, settings: dict[str, Any], *, num_rounds: int) -> dict[str, Any]:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * spread
    counter = torch.arange(shape[0])
    timings = take_turns(
        {
            "ours": lambda: sample(logits, seed=1, counter=counter, **settings),
            "torch": lambda: by_torch(logits, **settings),
        },
        num_rounds=num_rounds,
        round_s=0.001,
    )
    return {
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items()) or "none",
        "spread": spread,
        "ours_ms": 1000 * timings.typical("ours"),
        "torch_ms": 1000 * timings.typical("torch"),
        "over_torch": timings.ratio("torch", "ours"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small shape and two rounds: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = QUICK_SHAPE if options.quick else SHAPE
    print(f"{machine()}; one thread; torch {torch.__version__}; {shape[0]} rows of {shape[1]:,}\n")
    print("| kept | spread of logits | ours, ms | torch, ms | x torch |\n|---|---|---|---|---|")
    found = []
    for settings in SETTINGS:
        for spread in SPREADS:
            row = compare(shape, spread, settings, num_rounds=2 if options.quick else 5)
            found.append(row)
            times = f"{row['ours_ms']:.2f} | {row['torch_ms']:.1f}"
            print(f"| {row['settings']} | {spread:g} | {times} | {row['over_torch']} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
