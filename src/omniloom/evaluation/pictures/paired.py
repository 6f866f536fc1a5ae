"""Whether paired differences are more than chance: the sign-flip test (Fisher 1935, chapter 3).

If neither of a pair is better by nature, its difference could as well have had the other sign. It assumes nothing of
how differences are spread, where a t-test assumes the normal distribution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omniloom.core.randomness import generator

NUM_FLIPS = 20_000


def sign_flip_p(differences: Sequence[float], *, seed: int = 0, num_flips: int = NUM_FLIPS) -> float:
    """One-sided p that the mean difference is above 0: the share of draws of signs whose mean is at least as large.

    The differences as they are count as one of the draws, so that p is never 0 (Phipson & Smyth 2010).

    Raises:
        ValueError: If there are no differences.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values):
        raise ValueError("a test needs at least one difference, got none")
    rng = generator("sign flips", seed, len(values))
    found, at_least = values.sum(), 1
    tolerance = 1e-12 * np.abs(values).sum()
    for start in range(0, num_flips, 1000):
        signs = rng.integers(0, 2, size=(min(1000, num_flips - start), len(values))) * 2 - 1
        at_least += int((signs @ values >= found - tolerance).sum())
    return at_least / (num_flips + 1)
