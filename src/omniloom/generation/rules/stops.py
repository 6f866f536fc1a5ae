"""Stop strings: where a text ends before its model would end it.

A stop string may begin in one token and end in a later one, so characters that may be its beginning are held back
until it is known. The same finder serves the one who picks tokens, to leave off, and the one who hands out the text.
"""

from __future__ import annotations

from collections.abc import Sequence


def before_stop(text: str, stops: Sequence[str]) -> str:
    """A whole text, cut where the stop string that is complete first begins, as `StopFinder` cuts it."""
    finder = StopFinder(stops)
    return finder.push(text) + finder.flush()


class StopFinder:
    """Text as it comes, up to the stop string that is complete first; of those that end at one place, the longest.

    By where they begin, the same text would end elsewhere when it comes in other pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """What of the text so far is certain to come before a stop string, and was not returned before."""
        if self.found is not None:
            return ""
        held = self._held + text
        places = [(place + len(stop), place, stop) for stop in self._stops if (place := held.find(stop)) >= 0]
        if places:
            _, place, self.found = min(places)
            self._held = ""
            return held[:place]
        keep = max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        """What was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of a text are the first of the stop string, at most all but one of them."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
