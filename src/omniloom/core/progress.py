"""Long work shows how far it is, how fast, and how long it still takes.

On a terminal that is one line, redrawn by rich; in a log file it is a plain line now and then, so that a log stays
readable and a job that hangs can be told from one that is slow. tqdm was rejected: it draws its bar into log files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from types import TracebackType
from typing import Any, TextIO, TypeVar

T = TypeVar("T")

LOG_INTERVAL_S = 30.0
REDRAW_INTERVAL_S = 0.2


class Progress:
    """Progress of one job of `total` units; `total=None` where the end is not known.

    with Progress("training", total=1000, unit="token") as progress:
        progress.advance(64, {"loss": 2.1})
    """

    def __init__(
        self,
        title: str,
        *,
        total: float | None,
        unit: str = "step",
        done: float = 0,
        stream: TextIO | None = None,
        log_interval_s: float = LOG_INTERVAL_S,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done, self._done_before = done, done
        self._stream = stream if stream is not None else sys.stderr
        self._values: dict[str, float | str] = {}
        self._started_s = self._shown_s = time.monotonic()
        self._log_interval_s = log_interval_s
        self._live: Any = None
        # rich's Text: a plain string would have its square brackets read as markup.
        self._as_text: Any = None

    def __enter__(self) -> Progress:
        self._started_s = self._shown_s = time.monotonic()
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live
            from rich.text import Text

            self._as_text = Text
            self._live = Live(Text(self.line()), console=Console(file=self._stream), auto_refresh=False)
            self._live.start()
        return self

    def advance(self, amount: float = 1, values: Mapping[str, float | str] | None = None) -> None:
        """Count `amount` units more; `values` (losses, say) are shown until they are next given."""
        self.done += amount
        self._values.update(values or {})
        now_s = time.monotonic()
        interval_s = REDRAW_INTERVAL_S if self._live is not None else self._log_interval_s
        if now_s - self._shown_s >= interval_s:
            self._show(now_s)

    @property
    def rate(self) -> float:
        """Units a second since the start, without those done by an earlier run."""
        elapsed_s = time.monotonic() - self._started_s
        return (self.done - self._done_before) / elapsed_s if elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds still to go at this rate; None where it cannot be known."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    def line(self) -> str:
        """What is shown: title, share done, rate, time left, values."""
        share = f"{self.done:,.0f} {self.unit}s"
        if self.total:
            share = f"{100 * self.done / self.total:.0f} % of {self.total:,.0f} {self.unit}s"
        left = "" if self.left_s is None else f", {clock(self.left_s)} left"
        values = "".join(f", {name} {_short(value)}" for name, value in self._values.items())
        return f"{self.title}: {share}, {_short(self.rate)} {self.unit}s/s{left}{values}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(time.monotonic())
        if self._live is not None:
            self._live.stop()

    def _show(self, now_s: float) -> None:
        self._shown_s = now_s
        if self._live is not None:
            self._live.update(self._as_text(self.line()), refresh=True)
        else:
            print(self.line(), file=self._stream, flush=True)


def track(items: Iterable[T], title: str, *, unit: str = "item", stream: TextIO | None = None) -> Iterator[T]:
    """The same items, with progress shown while they are used."""
    total = len(items) if isinstance(items, Sized) else None
    with Progress(title, total=total, unit=unit, stream=stream) as progress:
        for item in items:
            yield item
            progress.advance()


def clock(seconds: float) -> str:
    """A duration as people say it: 42 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
