"""How sure a score is: Wilson's interval, which stays inside [0, 1] and is honest at 0 of n and n of n.

The normal approximation was rejected: at 0 of 300 it claims certainty. Scores that are partly right (0.5 for half a
scene) vary less than the coin that the formula assumes, so for them the interval is wider than need be, never narrower.
"""

from __future__ import annotations

import math
from typing import NamedTuple

Z_95 = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


class Interval(NamedTuple):
    """The ends of a 95 % interval."""

    low: float
    high: float


def wilson(mean: float, n: int) -> Interval:
    """Wilson's 95 % interval for a mean of n scores in [0, 1] (Wilson 1927; Brown, Cai & DasGupta 2001, eq. 4).

    Raises:
        ValueError: If n is not positive or the mean is outside [0, 1].
    """
    if n < 1:
        raise ValueError(f"an interval needs at least one score, got n = {n}")
    if not 0 <= mean <= 1:
        raise ValueError(f"mean must be in [0, 1], got {mean}")
    shrink = 1 + Z_95**2 / n
    centre = (mean + Z_95**2 / (2 * n)) / shrink
    half = Z_95 / shrink * math.sqrt(mean * (1 - mean) / n + Z_95**2 / (4 * n**2))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
