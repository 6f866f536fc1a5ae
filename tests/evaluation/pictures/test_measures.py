"""PSNR, SSIM and the sign-flip test against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from omniloom.core.randomness import generator, torch_generator
from omniloom.evaluation.pictures import Comparison, psnr_db, sign_flip_p, ssim
from omniloom.evaluation.pictures.measure import perplexity
from omniloom.evaluation.pictures.rows import shown_p


def test_psnr_is_ten_times_the_logarithm() -> None:
    """An error of a tenth everywhere is 20 dB; none is the most that is told."""
    picture = torch.full((1, 3, 4, 4), 0.5)
    assert float(psnr_db(picture + 0.1, picture)) == pytest.approx(20, abs=1e-4)
    assert float(psnr_db(picture, picture)) == pytest.approx(100)


def test_ssim_of_even_pictures_is_the_likeness_of_their_means() -> None:
    """Without variance only (2 x y + C1) / (x^2 + y^2 + C1) is left."""
    x, y, c1 = 0.8, 0.4, 0.01**2
    expected = (2 * x * y + c1) / (x**2 + y**2 + c1)
    found = ssim(torch.full((1, 3, 16, 16), x), torch.full((1, 3, 16, 16), y))
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_ssim_is_one_of_the_same_symmetric_and_less_with_noise() -> None:
    picture = torch.rand(2, 3, 16, 16, generator=torch_generator("picture"))
    noise = torch.randn(2, 3, 16, 16, generator=torch_generator("noise"))
    assert ssim(picture, picture).tolist() == pytest.approx([1, 1], abs=1e-6)
    little, much = (ssim(picture, picture + share * noise) for share in (0.05, 0.5))
    assert bool((much < little).all()) and bool((little < 1).all())
    torch.testing.assert_close(ssim(picture, picture + noise), ssim(picture + noise, picture))


def test_the_sign_flip_test_is_that_of_all_signs() -> None:
    """Of ten differences all 1,024 signs can be tried; 20,000 draws lie within five standard errors."""
    differences = generator("differences").normal(0.4, 1, 10)
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    exact = float((signs @ differences >= differences.sum() - 1e-12).mean())
    found = sign_flip_p(differences.tolist())
    assert found == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_no_difference_is_no_evidence_and_many_alike_are() -> None:
    assert sign_flip_p([0.0] * 20) == 1.0
    assert sign_flip_p([1.0] * 20) < 0.001
    assert sign_flip_p([-1.0] * 20) > 0.99
    with pytest.raises(ValueError, match="at least one difference"):
        sign_flip_p([])


def test_a_comparison_is_clear_only_if_it_is_more() -> None:
    found = [{"a": 1.0 + 0.01 * number, "b": 0.0} for number in range(20)]
    assert Comparison.of(found, "a", "b").is_clear
    assert not Comparison.of(found, "b", "a").is_clear
    assert not Comparison.of(found, "a", "a").is_clear


def test_perplexity_counts_codes_that_are_used_alike() -> None:
    assert perplexity([[0, 1, 2, 3]], 8) == pytest.approx(4)
    assert perplexity([[5, 5, 5]], 8) == pytest.approx(1)


def test_a_small_p_is_told_as_such() -> None:
    assert (shown_p(0.0001), shown_p(0.0312)) == ("< 0.001", "0.031")
