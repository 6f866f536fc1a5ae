"""Fast Sparse ConvNets, its operator: 1x1 convolutions by sparse weights against dense ones.

Elsen, Dukhan, Gale & Simonyan (2019) report sparse MobileNet v1, v2 and EfficientNet 1.3 to 2.4 times as fast as dense
ones of equal accuracy (abstract), because 1x1 convolutions at 70 to 95 % zeros are (section 4). Here each network's 1x1
layers are run with random zeros, unstructured and in blocks of 2 and 4 outputs; no network is trained or pruned, and a
network's number is the time of all its layers, dense over sparse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from omniloom.core.processes import one_thread
from omniloom.core.timing import Timings, take_turns
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row
from omniloom.reproductions.sparse_products import Pointwise, dense, fbgemm, sparse, xnnpack

SYSTEM = "fast-sparse-convnets"
PAPER = "Elsen, Dukhan, Gale & Simonyan (2019), Fast Sparse ConvNets"
SPARSITIES = (0.70, 0.80, 0.90, 0.95)
BLOCKS = (2, 4)
AT_BLOCKS = 0.90
BARS = {0.70: 1.0, 0.80: 1.0, 0.90: 3.0, 0.95: 3.0}
"""Against dense. The paper has no number for an operator on this kind of processor."""
PEER_BARS = {"FBGEMM": 1.2, "XNNPACK": 3.0}
"""At `AT_BLOCKS` zeros: FBGEMM's product is sparse, XNNPACK's dense."""


def _layers(*sizes: tuple[int, int, int]) -> tuple[Pointwise, ...]:
    return tuple(Pointwise(num_inputs=k, num_outputs=n, side=side) for k, n, side in sizes)


NETWORKS: Mapping[str, Sequence[Pointwise]] = {
    "MobileNet v1": _layers(
        (32, 64, 112), (64, 128, 56), (128, 128, 56), (128, 256, 28), (256, 256, 28), (256, 512, 14), (512, 512, 14),
        (512, 1024, 7), (1024, 1024, 7),
    ),
    "MobileNet v2": _layers(
        (16, 96, 112), (96, 24, 56), (24, 144, 56), (144, 32, 28), (32, 192, 28), (192, 64, 14), (64, 384, 14),
        (384, 96, 14), (96, 576, 14), (576, 160, 7), (160, 960, 7), (960, 320, 7), (320, 1280, 7),
    ),
    "EfficientNet-B0": _layers(
        (16, 96, 112), (96, 24, 56), (24, 144, 56), (144, 40, 28), (40, 240, 28), (240, 80, 14), (80, 480, 14),
        (480, 112, 14), (112, 672, 14), (672, 192, 7), (192, 1152, 7), (1152, 320, 7), (320, 1280, 7),
    ),
}  # fmt: skip
"""The 1x1 layers of each network at 224², every size once (Howard 2017, Sandler 2018, Tan & Le 2019)."""
QUICK = {"MobileNet v1": (3, 5, 6, 8), "MobileNet v2": (4, 8, 11), "EfficientNet-B0": (4, 8, 11)}
"""Which of them are run when it is to be quick."""


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "") -> Result:
    """Time every layer at every sparsity; "quick" times a few layers, once or twice."""
    torch.manual_seed(0)
    is_quick = effort == "quick"
    rows: list[Row] = []
    speedups: dict[str, list[float]] = {}
    for network, layers in NETWORKS.items():
        chosen = [layers[i] for i in QUICK[network]] if is_quick else layers
        rounds = [measure(layer, num_rounds=3 if is_quick else 9) for layer in chosen]
        speedups[network] = [_ratio(rounds, "dense", f"{sparsity}") for sparsity in SPARSITIES]
        rows += _rows(network, rounds, speedups[network])
    rows.append(Row(name="whole pruned networks", paper="1.3 to 2.4x dense at equal accuracy", bar="≥ 1.3x", here=None))
    if out is not None:
        draw(speedups, out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def measure(layer: Pointwise, *, num_rounds: int, round_s: float = 0.006) -> Timings:
    """Seconds of the layer dense, sparse at each share of zeros (by its number), in blocks, and the peers there are."""
    input = layer.input()
    calls: dict[str, Callable[[], Any]] = {}
    weights = {sparsity: layer.pruned(sparsity) for sparsity in SPARSITIES}
    for sparsity, weight in weights.items():
        calls[f"{sparsity}"] = sparse(input, weight)
    for block in BLOCKS:
        calls[f"blocks of {block}"] = sparse(input, layer.pruned(AT_BLOCKS, block=block), block=block)
    for name, make in {"FBGEMM": fbgemm, "XNNPACK": xnnpack}.items():
        if (peer := make(input, weights[AT_BLOCKS])) is not None:
            calls[name] = peer
    calls |= dense(input, weights[AT_BLOCKS])
    with one_thread(), torch.inference_mode():
        found = take_turns(calls, num_rounds=num_rounds, round_s=round_s)
    best = min((name for name in calls if name.startswith("oneDNN")), key=found.typical)
    return Timings(seconds={**found.seconds, "dense": found.seconds[best]})


def _ratio(rounds: Sequence[Timings], peer: str, ours: str) -> float:
    """Of the times of all layers, each layer's the median of its rounds."""
    return sum(found.typical(peer) for found in rounds) / sum(found.typical(ours) for found in rounds)


def _rows(network: str, rounds: Sequence[Timings], speedups: Sequence[float]) -> list[Row]:
    found = [
        _row(f"{network}, {sparsity:.0%} zeros, against dense", "faster from 70 %", BARS[sparsity], speedup)
        for sparsity, speedup in zip(SPARSITIES, speedups, strict=True)
    ]
    for block in BLOCKS:
        gain = _ratio(rounds, f"{AT_BLOCKS}", f"blocks of {block}")
        found.append(_row(f"{network}, blocks of {block}, against unstructured", "faster yet", 1.0, gain))
    for peer, bar in PEER_BARS.items():
        has_peer = all(peer in item.seconds for item in rounds)
        against = _ratio(rounds, peer, f"{AT_BLOCKS}") if has_peer else None
        found.append(_row(f"{network}, {AT_BLOCKS:.0%} zeros, against {peer}", "–", bar, against))
    return found


def _row(name: str, paper: str, bar: float, value: float | None) -> Row:
    here = None if value is None else f"{value:.2f}x"
    return Row(name=name, paper=paper, bar=f"≥ {bar:g}x", here=here, is_reached=value is not None and value >= bar)


def draw(speedups: Mapping[str, Sequence[float]], path: Path) -> None:
    """How many times faster than dense, by the share of zeros; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes: Any = figure.subplots()
    for network, values in speedups.items():
        axes.plot([100 * sparsity for sparsity in SPARSITIES], values, "o-", label=network)
    axes.axhline(1, color="grey", linestyle=":")
    axes.set_xlabel("zeros, %")
    axes.set_ylabel("times as fast as dense (dotted: equal)")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
