"""pass@k equals the share of all subsets that hold a right sample, exactly; choices lie where they must."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest

from omniloom.evaluation.code.passes import best_setting, pass_at_k
from omniloom.evaluation.code.ranking import Judged, chosen_passes
from omniloom.evaluation.code.report import passes_of, ranked, report_of


@pytest.mark.parametrize("n", range(1, 10))
def test_the_estimate_is_the_share_of_all_choices_that_hold_a_right_one(n: int) -> None:
    for c in range(n + 1):
        right = [number < c for number in range(n)]
        for k in range(1, n + 1):
            choices = list(combinations(right, k))
            share = Fraction(sum(any(own) for own in choices), len(choices))
            assert Fraction(pass_at_k(n, c, k)).limit_denominator(10**6) == share
            assert pass_at_k(n, c, k) == pytest.approx(float(share), abs=1e-15)


def test_it_is_the_papers_formula_at_the_papers_sizes() -> None:
    from math import comb

    for c in (0, 1, 7, 60, 199, 200):
        exact = 1 - Fraction(comb(200 - c, 100), comb(200, 100))
        assert pass_at_k(200, c, 100) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 6), (5, 2, 0), (0, 0, 1)])
def test_what_cannot_be_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"must be from 0 to num_samples|take more samples"):
        pass_at_k(n, c, k)


def sample(passed: bool, logprob: float | None, back: float | None = None) -> Judged:
    return Judged(completion="", passed=passed, mean_logprob=logprob, back=back)


PROBLEMS = [
    [sample(False, -2.0, -1.0), sample(True, -1.0, -9.0), sample(False, None, -1.0), sample(False, -3.0, -1.0)],
    [sample(True, -2.0, -1.0), sample(False, -1.0, -4.0), sample(False, -5.0, None), sample(False, -5.0, -2.0)],
]


def test_the_best_of_an_attribute_is_chosen_and_what_is_not_told_ranks_last() -> None:
    assert [chosen_passes(own, "mean_logprob") for own in PROBLEMS] == [1.0, 0.0]
    assert [chosen_passes(own, "back") for own in PROBLEMS] == [0.0, 1.0]
    assert [chosen_passes(own, "combined") for own in PROBLEMS] == [0.0, 1.0]
    tied = [sample(True, -1.0), sample(False, -1.0), sample(False, -2.0)]
    assert chosen_passes(tied, "mean_logprob") == 0.5


def test_random_is_pass_at_1_and_the_oracle_pass_at_n() -> None:
    found = ranked(PROBLEMS)
    assert found["random"] == passes_of(PROBLEMS, 1) == [0.25, 0.25]
    assert found["oracle"] == passes_of(PROBLEMS, 4) == [1.0, 1.0]
    assert list(found) == ["random", "mean log-probability", "back-scoring", "combined", "oracle"]
    alone = [[sample(True, None)], [sample(False, None)]]
    assert list(ranked(alone)) == ["random", "oracle"], "nothing is told to rank by"


def test_the_report_has_a_row_of_each_temperature_and_k() -> None:
    colder = [[sample(own == 0, -1.0) for own in range(10)], [sample(False, -1.0) for _ in range(10)]]
    warmer = [[sample(own == 0, -1.0) for own in range(10)], [sample(own == 9, -1.0) for own in range(10)]]
    report = report_of({0.2: colder, 0.8: warmer})
    rows = {row.name: row for row in report.rows}
    assert rows["pass@1, T 0.2"].score == pytest.approx(0.05) and rows["pass@10, T 0.8"].score == 1.0
    assert rows["1 of 10 by mean log-probability, T 0.2"].score == pytest.approx(0.05)
    assert report.curves["0.2"][2] == pytest.approx(0.1)
    assert [(own.k, own.temperature) for own in report.best] == [(1, 0.8), (10, 0.8)]


def test_the_best_setting_is_as_sure_as_its_problems() -> None:
    place, shares = best_setting([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert (place, shares) == (1, (0.0, 1.0))
    place, shares = best_setting([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.1]])
    assert place == 1 and 0.3 < shares[0] < 0.7 and sum(shares) == pytest.approx(1)
