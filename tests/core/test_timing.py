"""Ratios of times, with a clock that the test moves."""

from __future__ import annotations

import pytest

from omniloom.core.timing import take_turns


class Clock:
    now = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def test_a_ratio_says_how_many_times_as_long_the_peer_takes() -> None:
    clock = Clock()
    things = {"peer": lambda: clock.spend(0.003), "ours": lambda: clock.spend(0.001)}
    timings = take_turns(things, num_rounds=5, round_s=0.01, clock=clock)
    assert timings.ratio("peer", "ours").value == pytest.approx(3)
    assert timings.ratio("ours", "peer").value == pytest.approx(1 / 3)
    assert timings.typical("peer") == pytest.approx(0.003)
    assert len(timings.seconds["ours"]) == 5


def test_one_slow_round_does_not_move_the_ratio() -> None:
    clock, calls = Clock(), [0]

    def sometimes_slow() -> None:
        calls[0] += 1
        clock.spend(1.0 if calls[0] == 30 else 0.001)

    things = {"peer": lambda: clock.spend(0.002), "ours": sometimes_slow}
    timings = take_turns(things, num_rounds=7, round_s=0.01, clock=clock)
    assert timings.ratio("peer", "ours").value == pytest.approx(2)


def test_one_round_has_no_spread() -> None:
    clock = Clock()
    timings = take_turns({"a": lambda: clock.spend(1), "b": lambda: clock.spend(2)}, num_rounds=1, clock=clock)
    assert str(timings.ratio("b", "a")) == "2.00 (2.00–2.00)"
