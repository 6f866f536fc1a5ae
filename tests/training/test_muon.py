"""Muon takes the steps of torch's in bf16, to the last bit, and over shards those it takes over whole matrices."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from omniloom.training import Processes
from omniloom.training.muon import FIVE_ALIKE, THREE_BEST, OrthogonalMomentum, orthogonalized
from tests.training.parallel_runs import end, start

SHAPES = [(8, 6), (6, 8), (7, 5), (33, 16), (1, 4)]
"""Tall, wide, not divisible by two, and with a row for one process only."""

SETTINGS = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}


def step_both(out: Path, processes: Processes) -> str:
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    mesh = init_device_mesh("cpu", (processes.world_size,))
    torch.manual_seed(0)
    wholes = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    shards = [torch.nn.Parameter(distribute_tensor(whole.detach(), mesh, [Shard(0)])) for whole in wholes]
    expected, found = torch.optim.Muon(wholes, **SETTINGS), OrthogonalMomentum(shards, dtype=torch.bfloat16, **SETTINGS)
    for _ in range(3):
        for whole, shard in zip(wholes, shards, strict=True):
            whole.grad = torch.randn(whole.shape)
            shard.grad = distribute_tensor(whole.grad, mesh, [Shard(0)])
        expected.step()
        found.step()
    pairs = zip(wholes, shards, strict=True)
    return str([torch.equal(whole.detach(), shard.full_tensor().detach()) for whole, shard in pairs])


@pytest.mark.parametrize("num_processes", [1, 2])
def test_steps_are_those_of_torchs_muon(tmp_path: Path, num_processes: int) -> None:
    said = end(start(step_both, tmp_path, num_processes=num_processes), tmp_path)
    assert said == [str([True] * len(SHAPES))] * num_processes


@pytest.mark.parametrize(
    ("polynomials", "smallest", "low", "high"), [(FIVE_ALIKE, 0.0016, 0.68, 1.21), (THREE_BEST, 0.01, 0.73, 1.27)]
)
def test_orthogonalizing_brings_singular_values_near_one(polynomials, smallest, low, high) -> None:
    """What each source says of the range of singular values that it is made for."""
    left, right = (torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0] for _ in range(2))
    values = torch.logspace(math.log10(1.3 * smallest), 0, 6, dtype=torch.float64)
    assert values.min() / values.norm() > smallest
    for is_tall in (False, True):
        matrix = torch.cat([left @ values.diag() @ right, torch.zeros(6, 3)], dim=1)
        found = torch.linalg.svdvals(orthogonalized(matrix.mT if is_tall else matrix, polynomials))
        assert low - 1e-3 <= found.min() and found.max() <= high + 1e-3


def test_whole_matrices_take_torchs_steps_but_for_its_rounding() -> None:
    torch.manual_seed(0)
    shapes = [(24, 40), (40, 24), (24, 40), (16, 16)]
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in ours]
    optimizers = [OrthogonalMomentum(ours, dtype=torch.float32, **SETTINGS), torch.optim.Muon(theirs, **SETTINGS)]
    start = [matrix.detach().clone() for matrix in ours]
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, before in zip(ours, theirs, start, strict=True):
        moved, moved_there = mine.detach() - before, other.detach() - before
        assert float((moved - moved_there).norm() / moved_there.norm()) < 0.02
        assert float(moved.norm()) > 0.05
