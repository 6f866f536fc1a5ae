"""pass@k: how often at least one of k samples is right, estimated without bias from n of them.

pass@k = 1 - C(n - c, k) / C(n, k) for c right ones of n (Chen et al. 2021, equation 1): the share of all choices of k
samples that hold a right one. The obvious 1 - (1 - c/n)^k was rejected there and is here: it is biased, upwards for
small k and downwards near n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omniloom.core.randomness import generator


def pass_at_k(num_samples: int, num_right: int, k: int) -> float:
    """The unbiased estimate for one problem, as the product 1 - Π (1 - k / i) over i from n - c + 1 to n.

    Raises:
        ValueError: If there are fewer than k samples, or more right ones than samples.
    """
    if not 0 <= num_right <= num_samples:
        raise ValueError(f"num_right must be from 0 to num_samples {num_samples}, got {num_right}")
    if not 1 <= k <= num_samples:
        raise ValueError(f"pass@k of {num_samples} samples needs k from 1 to {num_samples}, got {k}; take more samples")
    if num_samples - num_right < k:
        return 1.0
    return 1.0 - float(np.prod(1.0 - k / np.arange(num_samples - num_right + 1, num_samples + 1)))


def best_setting(
    scores: Sequence[Sequence[float]], *, seed: int = 0, num_draws: int = 1000
) -> tuple[int, tuple[float, ...]]:
    """Which of several settings, each with its score on the same problems, has the best mean; and how sure that is.

    The second is how often each is best where problems are drawn with replacement (Efron's bootstrap); ties go to the
    first.
    """
    table = np.asarray(scores, np.float64)
    rng = generator("best setting", seed, table.shape[1])
    drawn = rng.integers(table.shape[1], size=(num_draws, table.shape[1]))
    winners = np.array([table[:, own].mean(axis=1).argmax() for own in drawn])
    shares = tuple(float((winners == place).mean()) for place in range(len(table)))
    return int(table.mean(axis=1).argmax()), shares
