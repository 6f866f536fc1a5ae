"""The rows of the two papers on softmax follow from the times, and untimed shapes are not tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniloom.core.timing import Timings
from omniloom.reproductions import online_softmax, two_pass_softmax


def timings(**seconds: float) -> Timings:
    return Timings(seconds={name: (value,) for name, value in seconds.items()})


def test_two_passes_must_win_out_of_cache_and_lose_in_it() -> None:
    good = {
        two_pass_softmax.IN_CACHE: timings(two=2.0, three=2.0, stored=1.0, traffic=1.0),
        1 << 24: timings(two=2.0, three=2.5, stored=3.0, traffic=1.6),
    }
    assert [row.holds for row in two_pass_softmax.speed_rows(good)] == [True, True, True]
    bad = {
        two_pass_softmax.IN_CACHE: timings(two=0.9, three=2.0, stored=1.0, traffic=1.0),
        1 << 24: timings(two=2.0, three=2.3, stored=3.0, traffic=1.4),
    }
    assert [row.holds for row in two_pass_softmax.speed_rows(bad)] == [False, False, False]


def test_two_passes_are_exact() -> None:
    assert two_pass_softmax.error_row(1 << 21).holds is True
    assert two_pass_softmax.special_row().here == "6 of 6"


def test_shapes_that_were_not_timed_are_not_tested() -> None:
    case = online_softmax.CASES[5]
    rows = online_softmax.speed_rows({case.name: timings(fused=1.0, unfused=1.3, torch=5.0)})
    verdicts = {row.name: row.holds for row in rows}
    assert verdicts.pop(f"{case.name}: torch unfused / fused") is True
    assert verdicts.pop(f"{case.name}: our own unfused / fused") is False
    assert len(verdicts) == 8 and set(verdicts.values()) == {"not tested"}
    assert online_softmax.exactness_row().holds is True


@pytest.mark.parametrize("module", [two_pass_softmax, online_softmax])
def test_figures_are_drawn(module, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    some = {"two": 1.0, "three": 2.0, "stored": 1.0, "traffic": 1.0, "fused": 1.0, "unfused": 2.0, "torch": 3.0}
    module.draw({1024: timings(**some), 2048: timings(**some)}, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
