"""PyTorch's way of working, kept by every native operator: eager, differentiable, compiled, exported and profiled.

Paszke et al. 2019 build a framework in which "everything is just a program" (section 4.1), that others extend with
operators of their own (section 4.2) on a par with its, and in which eager execution costs at most 17 % of the speed of
the fastest framework (section 6.3). Here each native operator is held against torch's own of the same meaning: the same
result and gradients, no break in `torch.compile`, the same after `torch.export`, a line of its own in the profiler; and
what a call costs is measured on inputs so small that there is nothing to compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from omniloom import kernels
from omniloom.core.processes import one_thread
from omniloom.core.randomness import torch_generator
from omniloom.core.timing import Timings, take_turns
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row

SYSTEM = "pytorch"
PAPER = "PyTorch: An Imperative Style, High-Performance Deep Learning Library (Paszke et al. 2019), sections 4 and 6"

PARITY = 1e-5
"""Difference allowed of the largest number of a result: sums of some hundred float32 in another order."""
MOST_OVERHEAD_US = 20.0
"""What a call may cost beyond torch's own: one in a thousand of a 20 ms frame, however many operators a frame takes."""

Function = Callable[[Tensor], Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An operator with whatever else it needs, and torch's own of the same meaning."""

    ours: Function
    torchs: Function
    shape: tuple[int, ...]
    small: tuple[int, ...]
    has_gradient: bool = True

    def input(self, shape: tuple[int, ...] | None = None) -> Tensor:
        return torch.randn(shape or self.shape, generator=torch_generator("reproduce", SYSTEM))


def cases() -> dict[str, Case]:
    """Every operator on inputs of a usual size."""
    generator = torch_generator("reproduce", SYSTEM, "weights")
    weight = torch.randn(96, 64, generator=generator) / 8
    sparse = weight * (torch.rand(weight.shape, generator=generator) < 0.2)
    kernel = torch.randn(32, 16, 3, 3, generator=generator) / 12
    packed, packed_sparse = kernels.pack_linear(weight), kernels.pack_sparse(sparse)
    packed_kernel = kernels.prepack(kernel, padding=1)
    return {
        "softmax": Case(ours=kernels.softmax, torchs=lambda x: x.softmax(-1), shape=(32, 1000), small=(1, 8)),
        "log_softmax": Case(
            ours=kernels.log_softmax, torchs=lambda x: x.log_softmax(-1), shape=(32, 1000), small=(1, 8)
        ),
        "softmax_topk": Case(
            ours=lambda x: kernels.softmax_topk(x, 5).values,
            torchs=lambda x: x.softmax(-1).topk(5).values,
            shape=(32, 1000),
            small=(1, 8),
        ),
        "linear": Case(
            ours=lambda x: kernels.linear(x, packed),
            torchs=lambda x: F.linear(x, weight),
            shape=(32, 64),
            small=(1, 64),
        ),
        "sparse_linear": Case(
            ours=lambda x: kernels.sparse_linear(x, packed_sparse),
            torchs=lambda x: F.linear(x, sparse),
            shape=(32, 64),
            small=(1, 64),
        ),
        "conv": Case(
            ours=lambda x: kernels.conv(x, packed_kernel),
            torchs=lambda x: F.conv2d(x, kernel, padding=1),
            shape=(2, 16, 28, 28),
            small=(1, 16, 1, 1),
            has_gradient=False,
        ),
    }


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "tiny") -> Result:
    """Every operator in every way of working; "quick" leaves out `torch.compile`, which takes a compiler."""
    with one_thread():
        tried = cases()
        overheads = {name: _overhead(case) for name, case in tried.items()}
        rows = [
            _row("same result as torch's own", "eager", tried, has_parity),
            _row("same gradients", "autograd", {k: v for k, v in tried.items() if v.has_gradient}, has_gradients),
            _row("same after torch.export", "a program", tried, exports),
            _row("named by the profiler", "profiler", tried, is_profiled),
            _row("whole under torch.compile", "a program", None if effort == "quick" else tried, compiles),
            overhead_row(overheads),
        ]
    if out is not None:
        draw(overheads, out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def has_parity(case: Case) -> bool:
    """Whether results differ by no more than `PARITY` of the largest number."""
    with torch.no_grad():
        return _is_close(case.ours(case.input()), case.torchs(case.input()))


def has_gradients(case: Case) -> bool:
    """Whether the gradient of the input is torch's, for a random gradient of the result."""
    found = []
    for function in (case.ours, case.torchs):
        given = case.input().requires_grad_()
        result = function(given)
        result.backward(torch.randn(result.shape, generator=torch_generator("reproduce", SYSTEM, "gradient")))
        found.append(given.grad)
    return _is_close(*found)


def exports(case: Case) -> bool:
    """Whether an exported program holds the operator and gives the same."""
    with torch.no_grad():
        program = torch.export.export(_Module(case.ours), (case.input(),))
        names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
        return any(name.startswith("omniloom.") for name in names) and torch.equal(
            program.module()(case.input()), case.ours(case.input())
        )


def is_profiled(case: Case) -> bool:
    """Whether torch's profiler has a line for the operator."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as found:
        case.ours(case.input())
    return any(event.key.startswith("omniloom::") for event in found.key_averages())


def compiles(case: Case) -> bool:
    """Whether it is compiled without a break of the graph and gives the same."""
    torch.compiler.reset()
    with torch.no_grad():
        return torch.equal(torch.compile(case.ours, fullgraph=True)(case.input()), case.ours(case.input()))


def overhead_row(overheads: Mapping[str, Timings]) -> Row:
    """What a call costs more than torch's own, where there is nothing to compute; the worst operator counts."""
    beyond = {name: _beyond_us(found) for name, found in overheads.items()}
    worst, middle = max(beyond, key=lambda name: beyond[name]), sorted(beyond.values())[len(beyond) // 2]
    return Row(
        name="a call beyond torch's own",
        paper="at most 17 % of throughput",
        bar=f"≤ {MOST_OVERHEAD_US:.0f} µs",
        here=f"{beyond[worst]:.1f} µs at worst ({worst}), {middle:.1f} in the middle",
        is_reached=beyond[worst] <= MOST_OVERHEAD_US,
    )


def draw(overheads: Mapping[str, Timings], path: Path) -> None:
    """Bars of microseconds a call; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for name, shift, colour in (("torch", -0.2, "#999999"), ("ours", 0.2, "#3b6ea5")):
        places = [place + shift for place in range(len(overheads))]
        axes.barh(places, [1e6 * found.typical(name) for found in overheads.values()], 0.38, color=colour, label=name)
    axes.set_yticks(range(len(overheads)), list(overheads))
    axes.invert_yaxis()
    axes.set_xlabel("µs a call on the smallest input, one thread")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


class _Module(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, input: Tensor) -> Any:
        return self.function(input)


def _row(name: str, paper: str, tried: Mapping[str, Case] | None, holds: Callable[[Case], bool]) -> Row:
    if tried is None:
        return Row(name=name, paper=paper, bar="every operator", here=None)
    failed = [operator for operator, case in tried.items() if not holds(case)]
    here = f"{len(tried)} of {len(tried)}" if not failed else f"not {_listed(failed)}"
    return Row(name=name, paper=paper, bar="every operator", here=here, is_reached=not failed)


def _overhead(case: Case) -> Timings:
    given = case.input(case.small)
    with torch.inference_mode():
        return take_turns({"torch": lambda: case.torchs(given), "ours": lambda: case.ours(given)}, round_s=0.01)


def _beyond_us(timings: Timings) -> float:
    return 1e6 * (timings.typical("ours") - timings.typical("torch"))


def _is_close(mine: Tensor | None, theirs: Tensor | None) -> bool:
    assert mine is not None and theirs is not None
    return bool((mine - theirs).abs().max() <= PARITY * theirs.abs().max())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
