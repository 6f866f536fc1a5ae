"""Every native operator keeps PyTorch's way of working, and one that does not is found out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from omniloom.core.timing import Timings
from omniloom.reproductions import pytorch, reproductions
from omniloom.reproductions.pytorch import Case

CASES = pytorch.cases()
ROUGH = Case(ours=lambda x: x.softmax(-1) + 1e-3, torchs=lambda x: x.softmax(-1), shape=(2, 5), small=(1, 5))


@pytest.mark.parametrize("name", CASES)
def test_operators_give_what_torch_gives(name: str) -> None:
    assert pytorch.has_parity(CASES[name])
    assert pytorch.is_profiled(CASES[name]) and pytorch.exports(CASES[name])
    if CASES[name].has_gradient:
        assert pytorch.has_gradients(CASES[name])


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its jit
@pytest.mark.parametrize("name", CASES)
def test_operators_compile_whole(name: str) -> None:
    assert pytorch.compiles(CASES[name])


def test_what_is_no_operator_is_found_out() -> None:
    assert not pytorch.has_parity(ROUGH)
    assert not pytorch.is_profiled(ROUGH)
    assert not pytorch.exports(ROUGH)
    assert pytorch.has_gradients(ROUGH)
    detached = replace(ROUGH, ours=lambda x: x.detach().softmax(-1) + 0 * x)
    assert not pytorch.has_gradients(detached)


@pytest.mark.parametrize(("seconds", "holds"), [(1e-6, True), (1e-4, False)])
def test_the_slowest_call_decides(seconds: float, holds: bool) -> None:
    quick = Timings(seconds={"torch": (1e-6,), "ours": (1e-6,)})
    row = pytorch.overhead_row({"quick": quick, "slow": Timings(seconds={"torch": (0.0,), "ours": (seconds,)})})
    assert row.holds is holds


def test_a_quick_run_says_what_it_did_not_test(tmp_path: Path) -> None:
    result = reproductions.get("pytorch").run(effort="quick", out=tmp_path, checkpoint="tiny")
    verdicts = {row.name: row.holds for row in result.rows}
    assert verdicts.pop("whole under torch.compile") == "not tested"
    assert result.holds in (False, "not tested")  # a call's cost is a time, and decides nothing here
    assert all(verdict is True for name, verdict in verdicts.items() if "call" not in name)
    assert (tmp_path / "pytorch.png").stat().st_size > 5_000


def test_inputs_are_the_same_each_time() -> None:
    case = CASES["softmax"]
    assert isinstance(case.input(), Tensor) and torch.equal(case.input(), case.input())
