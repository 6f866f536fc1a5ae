"""How sure a score is: Wilson's interval, inside [0, 1] and honest at 0 of n and n of n; and the bootstrap over items.

The normal approximation was rejected: at 0 of 300 it claims certainty. Scores that are partly right (0.5 for half a
scene) vary less than the coin that the formula assumes, so for them the interval is wider than need be, never narrower.
The bootstrap assumes nothing of the scores but that there are enough of them. Of right-or-wrong scores of which fewer
than five are right, or wrong, there are not: of 300 drawn from a share of 1 in 200 the resampled interval holds it 77
times in 100, and of 0 right it is one point. `estimated` takes Wilson's there, which holds it 95 times, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from omniloom.core.randomness import generator

Z_95 = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


FEWEST_OF_A_KIND = 5
"""Right and wrong scores that a bootstrap needs each, the usual rule for approximations of a share."""

Method = Literal["bootstrap", "Wilson", "none"]

MARKS: Mapping[Method, str] = {"bootstrap": "", "Wilson": " ʷ", "none": " (all alike)"}
"""What stands behind an interval in a table."""

MARKED = "ʷ Wilson's interval: too few items are right, or wrong, to draw from, or only their mean is known"


class Interval(NamedTuple):
    """The ends of a 95 % interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A mean and its 95 % interval; `method` is how the interval was had, "none" where there can be none."""

    mean: float
    low: float
    high: float
    method: Method


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
    # Rounding must not leave the mean outside, as it would at 0 of 9.
    return Interval(min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))


def bootstrap(scores: Sequence[float], *, seed: int = 0, num_draws: int = 1000) -> Interval:
    """The middle 95 % of the means of samples drawn with replacement (Efron 1979, percentile interval).

    Where all scores are equal every such sample is the same and would claim certainty, so Wilson's interval stands in.

    Raises:
        ValueError: If there are no scores, or equal ones are outside [0, 1].
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("an interval needs at least one score, got n = 0")
    if values.min() == values.max():
        return wilson(float(values[0]), len(values))
    rng = generator("bootstrap", seed, len(values))
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(num_draws)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(low), float(high))


def estimated(scores: Sequence[float], *, seed: int = 0, num_draws: int = 1000) -> Estimate:
    """The mean with the bootstrap's interval, or Wilson's where resampling would claim too much.

    That is where all scores in [0, 1] are equal, and where fewer than five right-or-wrong scores are of one kind. Equal
    scores outside [0, 1] have no interval: its ends are the mean, and the method is "none".

    Raises:
        ValueError: If there are no scores.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("a score needs at least one item, got none")
    mean = float(values.mean())
    is_share = bool((values >= 0).all() and (values <= 1).all())
    if values.min() == values.max():
        low, high = wilson(mean, len(values)) if is_share else Interval(mean, mean)
        return Estimate(mean, low, high, "Wilson" if is_share else "none")
    is_binary = bool(np.isin(values, (0.0, 1.0)).all())
    if is_binary and min(values.sum(), len(values) - values.sum()) < FEWEST_OF_A_KIND:
        return Estimate(mean, *wilson(mean, len(values)), "Wilson")
    return Estimate(mean, *bootstrap(values.tolist(), seed=seed, num_draws=num_draws), "bootstrap")


def bootstrap_difference(
    ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0, num_draws: int = 1000
) -> Estimate:
    """How much more we score than they on the same items, in order: items are drawn, and with each both its scores.

    Pairing takes out what is hard for both, so the interval is narrower than two of their own would say. Where every
    item differs by the same, the method is "none".

    Raises:
        ValueError: If there are no items, or not as many scores of both.
    """
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"pairs need scores of the same items, got {len(ours)} and {len(theirs)}")
    gaps = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    mean = float(gaps.mean())
    if gaps.min() == gaps.max():
        return Estimate(mean, mean, mean, "none")
    return Estimate(mean, *bootstrap(gaps.tolist(), seed=seed, num_draws=num_draws), "bootstrap")
