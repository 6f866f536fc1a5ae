"""What is shown: share, rate, time left and values; plain lines in a log, one redrawn line on a terminal."""

from __future__ import annotations

import io

import pytest

from omniloom.core import progress as module
from omniloom.core.progress import Progress, clock, track


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(module, "time", fake)
    return fake


def test_rate_time_left_and_values(time: Clock) -> None:
    log = io.StringIO()
    with Progress("training", total=1000, unit="token", stream=log) as progress:
        time.now_s += 10
        progress.advance(200, {"loss": 2.125})
        assert progress.rate == 20
        assert progress.left_s == 40
        assert progress.line() == "training: 20 % of 1,000 tokens, 20 tokens/s, 40 s left, loss 2.12"


def test_a_log_gets_a_line_now_and_then(time: Clock) -> None:
    log = io.StringIO()
    with Progress("training", total=100, stream=log) as progress:
        for _ in range(100):
            time.now_s += 1
            progress.advance()
    lines = log.getvalue().splitlines()
    assert len(lines) == 4  # after 30, 60 and 90 s, and at the end
    assert lines[-1] == "training: 100 % of 100 steps, 1 steps/s, 0 s left"


def test_work_of_an_earlier_run_does_not_count_as_speed(time: Clock) -> None:
    with Progress("training", total=100, done=50, stream=io.StringIO()) as progress:
        time.now_s += 5
        progress.advance(5)
        assert progress.rate == 1
        assert progress.left_s == 45


def test_unknown_ends_and_no_time_at_all(time: Clock) -> None:
    with Progress("reading", total=None, unit="file", stream=io.StringIO()) as progress:
        progress.advance(3)
        assert progress.left_s is None
        assert progress.line() == "reading: 3 files, 0 files/s"


def test_a_terminal_gets_one_redrawn_line() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with Progress("training [tiny]", total=2, stream=terminal) as progress:
        progress.advance(2)
    assert "training [tiny]: 100 %" in terminal.getvalue()


def test_track_passes_the_items_on() -> None:
    log = io.StringIO()
    assert list(track([1, 2, 3], "counting", stream=log)) == [1, 2, 3]
    assert list(track(iter("ab"), "spelling", stream=log)) == ["a", "b"]
    assert "counting: 100 % of 3 items" in log.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (42, "42 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
