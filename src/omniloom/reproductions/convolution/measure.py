"""Every way to compute a layer, in turns, on one thread; results are compared before times are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import exp, fsum, log
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.core.processes import one_thread
from omniloom.core.progress import track
from omniloom.core.timing import Ratio, Timings, take_turns
from omniloom.kernels import conv, prepack
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.convolution.layers import Layer

OURS = ("indirect", "winograd2", "winograd4", "auto", "im2col")
NAMES = (
    "torch", "torch rows", "onednn", "onednn rows", "xnnpack rows", "ncnn",
    *OURS, *(f"{name} rows" for name in OURS),
)  # fmt: skip
"""What may be measured; "rows" is channels-last in and out, the others torch's own layout."""

LARGE_FLOPS = 1e11
"""A call of more takes seconds, over which a neighbour's load evens out: one round is enough."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A layer's times by name."""

    layer: Layer
    timings: Timings

    def __contains__(self, name: str) -> bool:
        return name in self.timings.seconds

    def gflops(self, name: str) -> float:
        """Of the direct algorithm's operations, so that Winograd may exceed what the processor does."""
        return self.layer.flops / self.timings.typical(name) * 1e-9

    def ratio(self, peer: str, ours: str) -> Ratio:
        return self.timings.ratio(peer, ours)

    def fastest(self, names: Collection[str]) -> str:
        return min((name for name in names if name in self), key=self.timings.typical)


def measure(layer: Layer, names: Collection[str] = NAMES, *, num_rounds: int = 9, round_s: float = 0.01) -> Measured:
    """Those of `names` that can do this layer and are there; layers of seconds take fewer rounds.

    Raises:
        RuntimeError: If one computes something else.
    """
    torch.manual_seed(0)
    with one_thread(), torch.inference_mode():
        drawn = layer.draw()
        calls = {name: call for name in names if (call := _call(layer, drawn, name)) is not None}
        _check(calls, is_batch=layer.batch > 1)
        least = 3 if layer.flops < LARGE_FLOPS else 1
        num_rounds = min(num_rounds, max(least, int(3e10 / layer.flops)))
        return Measured(layer=layer, timings=take_turns(calls, num_rounds=num_rounds, round_s=round_s))


def measure_each(
    layers: Collection[Layer], names: Collection[str], *, title: str, num_rounds: int = 9
) -> list[Measured]:
    """One after another, with progress shown."""
    return [measure(layer, names, num_rounds=num_rounds) for layer in track(layers, title, unit="layer")]


def _call(layer: Layer, drawn: peers.Drawn, name: str) -> Callable[[], Any] | None:
    base, rows = name.removesuffix(" rows"), name.endswith(" rows")
    if base == "torch":
        return peers.torch_call(layer, drawn, rows=rows)
    if base == "onednn":
        return peers.onednn_call(layer, drawn, rows=rows)
    if base == "xnnpack":
        return peers.xnnpack_call(layer, drawn)
    if base == "ncnn":
        return peers.ncnn_call(layer, drawn)
    is_winograd = base.startswith("winograd")
    if is_winograd and (layer.kernel != (3, 3) or layer.stride > 1 or layer.groups > 1):
        return None
    if base == "im2col" and layer.groups > 1:
        return None
    x, weight, bias = drawn
    packed = prepack(weight, bias, algorithm=base, **layer.settings)  # type: ignore[arg-type]
    x = peers.as_rows(x) if rows else x
    return lambda: conv(x, packed)


def _check(calls: dict[str, Callable[[], Any]], *, is_batch: bool = False) -> None:
    """Of a batch, the last example is compared."""
    results = {}
    for name, call in calls.items():
        found = _as_tensor(call())
        results[name] = found[-1:].clone() if is_batch else found
    expected = next(iter(results.values()))
    for name, found in results.items():
        error = float((found.reshape(expected.shape) - expected).abs().max() / expected.abs().max())
        if error > 1e-3:  # ncnn's own Winograd errs by 1e-4
            raise RuntimeError(f"{name} differs by {error:.1e} of the output's scale")


def _as_tensor(found: Any) -> Tensor:
    while isinstance(found, list | tuple):  # what a stream gives first are its frames
        found = found[0]
    return found if isinstance(found, Tensor) else torch.from_numpy(np.array(found))


def measure_stream(width: int, *, taps: int, dilation: int = 1, num_rounds: int = 15, round_s: float = 0.01) -> Timings:
    """One frame of a causal convolution and its next past: "stream" is ours, "torch" joins past and frame."""
    torch.manual_seed(0)
    weight, bias = torch.randn(width, width, taps) * 0.05, torch.randn(width)
    packed = prepack(weight, bias, dilation=dilation)
    frame, past = torch.randn(1, 1, width), torch.randn(1, packed.num_past, width)
    frame_planes, past_planes = (x.transpose(1, 2).contiguous() for x in (frame, past))

    def by_torch() -> tuple[Tensor, Tensor]:
        joined = torch.cat([past_planes, frame_planes], dim=-1)
        return F.conv1d(joined, weight, bias, dilation=dilation), joined[..., 1:].clone()

    with one_thread(), torch.inference_mode():
        calls = {"stream": lambda: packed.stream(frame, past), "torch": by_torch}
        _check(calls)
        return take_turns(calls, num_rounds=num_rounds, round_s=round_s)


def geometric_mean(ratios: Collection[Ratio]) -> float:
    return exp(fsum(log(ratio.value) for ratio in ratios) / len(ratios))
