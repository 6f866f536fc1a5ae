"""Two processes learn what one does; a checkpoint does not tell how many wrote it; they stop and fail together."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from omniloom.core.checkpoint import latest
from omniloom.core.state import load_state
from omniloom.training import Processes
from omniloom.training.loop import STATE_FILE
from tests.training.parallel_runs import curve, end, start, train, trainer

CASES = [(optimizer, parallel) for optimizer in ("AdamW", "Muon") for parallel in ("ddp", "fsdp2")]
CUT = 3
"""The step at which runs are handed from two processes to one, or back."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one process, and of two: whole, from one's checkpoint, and up to where one takes over."""
    out = tmp_path_factory.mktemp("runs")
    cases = []
    for optimizer, parallel in CASES:
        name = f"{optimizer}-{parallel}"
        trainer(out / f"{name}-one-then-two", Processes(), optimizer=optimizer).run(until=CUT)
        cases += [
            {"folder": f"{name}-two", "optimizer": optimizer, "parallel": parallel},
            {"folder": f"{name}-one-then-two", "optimizer": optimizer, "parallel": parallel},
            {"folder": f"{name}-two-then-one", "optimizer": optimizer, "parallel": parallel, "until": CUT},
        ]
    cases.append({"folder": "bf16-two", "parallel": "fsdp2", "autocast": True})
    assert end(start(train, out, cases), out) == ["done", "done"]
    for optimizer, parallel in CASES:
        trainer(out / f"{optimizer}-one", Processes(), optimizer=optimizer).run()
        rest = trainer(out / f"{optimizer}-{parallel}-two-then-one", Processes(), optimizer=optimizer)
        assert rest.resume() and rest.step == CUT
        rest.run()
    return out


@pytest.mark.parametrize("way", ["two", "one-then-two", "two-then-one"])
@pytest.mark.parametrize(("optimizer", "parallel"), CASES)
def test_losses_are_those_of_one_process(runs: Path, optimizer: str, parallel: str, way: str) -> None:
    expected, found = curve(runs / f"{optimizer}-one"), curve(runs / f"{optimizer}-{parallel}-{way}")
    assert [line["step"] for line in found] == [1, 2, 3, 4, 5, 6]
    for one, two in zip(expected, found, strict=True):
        assert one == pytest.approx(two, abs=1e-5, rel=0)


def test_under_autocast_losses_agree_within_its_rounding(runs: Path) -> None:
    for one, two in zip(curve(runs / "AdamW-one"), curve(runs / "bf16-two"), strict=True):
        assert one == pytest.approx(two, abs=5 * 2**-8, rel=0)  # losses of about 5 nats, in steps of 2**-8 of them


@pytest.mark.compile
@pytest.mark.parametrize("parallel", ["ddp", "fsdp2"])
def test_compiled_equals_eager(tmp_path: Path, parallel: str) -> None:
    cases = [{"folder": "compiled", "parallel": parallel, "compile": True, "num_steps": 2}]
    assert end(start(train, tmp_path, cases), tmp_path, patience_s=600) == ["done", "done"]
    trainer(tmp_path / "eager", Processes(), num_steps=2).run()
    for one, two in zip(curve(tmp_path / "eager"), curve(tmp_path / "compiled"), strict=True):
        assert one == pytest.approx(two, abs=1e-5, rel=0)


@pytest.mark.parametrize(("optimizer", "parallel"), CASES)
def test_a_checkpoint_has_the_same_form_whoever_wrote_it(runs: Path, optimizer: str, parallel: str) -> None:
    one, two = saved(runs / f"{optimizer}-one"), saved(runs / f"{optimizer}-{parallel}-two")
    assert form(one) == form(two)


def saved(folder: Path) -> dict[str, Any]:
    path = latest(folder / "checkpoints")
    assert path is not None
    state: dict[str, Any] = load_state(path / STATE_FILE)
    return state | {"seconds": 0.0}


def form(value: Any) -> Any:
    """The same nesting with shapes and types in the tensors' places."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    return [form(item) for item in value] if isinstance(value, list) else value


def train_long(out: Path, processes: Processes, parallel: str) -> str:
    run = trainer(out, processes, num_steps=100_000, checkpoint_every_s=0.0, parallel=parallel)
    result = run.run()
    return f"finished {result.finished} at {result.step}"


def begin(out: Path, parallel: str) -> list[Any]:
    """Two processes that train until they are told to stop, after their first checkpoint."""
    started = start(train_long, out, parallel)
    for _ in range(1200):
        if latest(out / "checkpoints") is not None:
            return started
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


def test_a_signal_to_one_stops_all_at_one_step_and_saves(tmp_path: Path) -> None:
    started = begin(tmp_path, "fsdp2")
    os.kill(started[1].pid, signal.SIGTERM)
    said = end(started, tmp_path)
    again = trainer(tmp_path, Processes())
    assert again.resume()
    assert said == [f"finished False at {again.step}"] * 2


@pytest.mark.parametrize(("parallel", "killed"), [("ddp", 1), ("fsdp2", 0)])
def test_when_one_is_killed_the_other_says_so_and_the_run_goes_on(tmp_path: Path, parallel: str, killed: int) -> None:
    started = begin(tmp_path, parallel)
    os.kill(started[killed].pid, signal.SIGKILL)
    said = end(started, tmp_path)
    assert said[killed] == ""
    left = said[1 - killed]
    assert left.startswith(f"ConnectionError: rank {1 - killed} stops, as another of the 2 processes has ended")
    assert "start again with --resume" in left
    again = trainer(tmp_path, Processes(), num_steps=100_000)
    assert again.resume()
    assert again.run(until=again.step + 1).step == again.step > 1


def make_or_load(out: Path, processes: Processes, fails: bool) -> str:
    def make() -> str:
        if fails:
            raise ValueError("no space left")
        return "made"

    return processes.after_first(make, lambda: "loaded")


def test_one_makes_what_the_others_load(tmp_path: Path) -> None:
    assert end(start(make_or_load, tmp_path, False), tmp_path) == ["made", "loaded"]
    first, second = end(start(make_or_load, tmp_path, True), tmp_path)
    assert first == "ValueError: no space left"
    assert second.startswith("ConnectionError: rank 1 stops, as ")
    assert Processes().after_first(lambda: "made", lambda: "loaded") == "made"
