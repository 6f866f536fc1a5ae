"""That programs are judged rightly: the estimator against all subsets, solutions and none, and attacks."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from omniloom.data.code.human_eval import human_eval
from omniloom.data.code.mbpp import mbpp
from omniloom.data.code.problem import CodeProblem
from omniloom.data.code.sources import HUMAN_EVAL, MBPP
from omniloom.data.public import is_at_hand
from omniloom.evaluation.code import judge, pass_at_k
from omniloom.evaluation.code.attacks import run_attacks
from omniloom.evaluation.suites.items import Items
from omniloom.reproductions.result import Row

EMPTY = "    return None\n"
LARGEST = 9
"""Samples of which all subsets are counted."""

FEWEST_ATTACKS = 30
MBPP_PASSING = 972
"""Reference solutions that pass where a test's setup stands before the program."""


def judge_rows(*, is_whole: bool) -> list[Row]:
    """All rows; where not whole, MBPP is left out."""
    return [_estimator_row(), *_human_eval_rows(), _mbpp_row(is_whole), _attacks_row()]


def _estimator_row() -> Row:
    worst = Fraction(0)
    for n in range(1, LARGEST + 1):
        for c in range(n + 1):
            for k in range(1, n + 1):
                choices = [any(own) for own in combinations([number < c for number in range(n)], k)]
                worst = max(worst, abs(Fraction(pass_at_k(n, c, k)) - Fraction(sum(choices), len(choices))))
    return Row(
        name="pass@k against all subsets",
        paper="equation 1, unbiased",
        bar="equal to 1e-12",
        here=f"largest difference {float(worst):.0e}, up to {LARGEST} samples",
        is_reached=worst < Fraction(1, 10**12),
    )


def _human_eval_rows() -> list[Row]:
    names = ("HumanEval, reference solutions", "HumanEval, return None")
    bars = ("164 of 164", "0 of 164")
    if not is_at_hand(HUMAN_EVAL):
        return [Row(name=name, paper="–", bar=bar, here=None) for name, bar in zip(names, bars, strict=True)]
    problems = human_eval()
    counts = (
        _num_passed(problems, [own.reference for own in problems]),
        _num_passed(problems, [EMPTY] * len(problems)),
    )
    return [
        Row(name=name, paper="–", bar=bar, here=f"{count} of {len(problems)}", is_reached=f"{count} of 164" == bar)
        for name, bar, count in zip(names, bars, counts, strict=True)
    ]


def _mbpp_row(is_whole: bool) -> Row:
    name, bar = "MBPP, reference solutions", f"{MBPP_PASSING} of 974 with the setup first"
    if not is_whole or not is_at_hand(MBPP):
        return Row(name=name, paper="–", bar=bar, here=None)
    ours, published = mbpp(), mbpp(is_setup_first=True)
    own, told = (_num_passed(found, [problem.reference for problem in found]) for found in (ours, published))
    here = f"{told} of {len(published)}; with the setup behind the program {own}"
    return Row(name=name, paper="–", bar=bar, here=here, is_reached=told == MBPP_PASSING and own >= told)


def _attacks_row() -> Row:
    found = run_attacks()
    contained = sum(own.is_contained for own in found)
    return Row(
        name="attacks",
        paper="a sandbox (gVisor)",
        bar=f"all of ≥ {FEWEST_ATTACKS} contained and scored as failures",
        here=f"{contained} of {len(found)}",
        is_reached=contained == len(found) >= FEWEST_ATTACKS,
    )


def _num_passed(problems: Sequence[CodeProblem], completions: Sequence[str]) -> int:
    items = Items(None, suite="codex judge", subject="reference", settings={})
    return sum(judge(list(zip(problems, completions, strict=True)), items))
