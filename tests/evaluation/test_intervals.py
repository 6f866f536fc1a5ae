"""Wilson's interval against numbers worked out from the published formula, and how often intervals hold the truth."""

from __future__ import annotations

import math

import pytest

from omniloom.core.randomness import generator
from omniloom.evaluation.intervals import bootstrap, bootstrap_difference, estimated, wilson


@pytest.mark.parametrize(
    ("mean", "n", "low", "high"),
    [
        (0.0, 10, 0.0, 0.2775328),  # z² / (n + z²)
        (1.0, 10, 0.7224672, 1.0),
        (0.5, 100, 0.4038315, 0.5961685),
        (0.81, 263, 0.7582565, 0.8528179),
        (0.5, 1, 0.0546208, 0.9453792),
    ],
)
def test_literal_numbers(mean: float, n: int, low: float, high: float) -> None:
    assert wilson(mean, n) == pytest.approx((low, high), abs=1e-6)


def test_mirrored() -> None:
    low, high = wilson(0.2, 50)
    assert wilson(0.8, 50) == pytest.approx((1 - high, 1 - low))


def test_the_mean_is_never_outside_its_interval() -> None:
    shares = [(count / n, n) for n in range(1, 100) for count in range(n + 1)]
    assert all(wilson(mean, n).low <= mean <= wilson(mean, n).high for mean, n in shares)


def test_errors_name_the_value() -> None:
    with pytest.raises(ValueError, match="n = 0"):
        wilson(0.5, 0)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        wilson(1.5, 10)


def binomial_coverage(share: float, n: int) -> float:
    """How often the interval of n right-or-wrong scores holds the true share: every outcome, by its probability."""
    found = 0.0
    for right in range(n + 1):
        low, high = estimated([1.0] * right + [0.0] * (n - right), num_draws=400)[1:3]
        if low <= share <= high:
            found += math.comb(n, right) * share**right * (1 - share) ** (n - right)
    return found


@pytest.mark.parametrize("share", [0.002, 0.01, 0.03, 0.08, 0.5, 0.9, 0.99])
def test_the_estimate_of_rare_and_common_events_holds_the_truth(share: float) -> None:
    assert binomial_coverage(share, 100) >= 0.90


def test_the_bootstrap_alone_would_not() -> None:
    low, high = bootstrap([1.0] + [0.0] * 99)
    assert low == 0.0 and high <= 0.04  # 1 of 100 comes of a share of 0.05 oftener than one time in forty
    assert estimated([1.0] + [0.0] * 99) == (0.01, *wilson(0.01, 100), "Wilson")


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_scores() -> None:
    scores = [float(value) for value in generator("scores").normal(size=2000)]
    mean, low, high, method = estimated(scores, num_draws=4000)
    half = 1.96 * (sum((score - mean) ** 2 for score in scores) / 2000) ** 0.5 / 2000**0.5
    # The ends are quantiles of 4000 draws, each sure to about 5 % of the half width.
    assert method == "bootstrap" and (low, high) == pytest.approx((mean - half, mean + half), abs=0.08 * half)


def test_the_same_seed_gives_the_same_ends() -> None:
    scores = [0.0, 1.0, 0.5] * 9
    assert estimated(scores, seed=4) == estimated(scores, seed=4) != estimated(scores, seed=5)


def test_pairs_are_compared_more_sharply_than_apart() -> None:
    hard = [float(value) for value in generator("hard").random(200)]
    gains = [float(value) for value in generator("gains").normal(0.05, 0.05, 200)]
    ours = [score + gain for score, gain in zip(hard, gains, strict=True)]
    paired = bootstrap_difference(ours, hard)
    assert paired.low > 0 and estimated(ours).low < estimated(hard).high
    assert bootstrap_difference([2.0, 3.0], [1.0, 2.0]) == (1.0, 1.0, 1.0, "none")
    with pytest.raises(ValueError, match="got 2 and 1"):
        bootstrap_difference([1.0, 2.0], [1.0])
