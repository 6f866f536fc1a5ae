"""Wilson's interval against numbers worked out from the published formula."""

from __future__ import annotations

import pytest

from omniloom.evaluation.intervals import wilson


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


def test_errors_name_the_value() -> None:
    with pytest.raises(ValueError, match="n = 0"):
        wilson(0.5, 0)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        wilson(1.5, 10)
