"""The native pick takes what a search of each row's scores finds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.kernels import Ask, Automaton, instruction_sets, pick_likeliest, picks_natively
from omniloom.kernels.decode_step.picking import MAX_GROUP
from omniloom.kernels.native import forced

pytestmark = pytest.mark.skipif(not picks_natively(), reason="nothing is native here")

ARCS = (
    ((50, 90, 1), (0, 45, 3)),  # text, or the first of a position's three
    ((90, 140, 2),),
    ((90, 107, 0),),
    ((0, 45, 3), (45, 46, 4)),
    ((46, 47, 4),),
)
SHIFTS = (0, 50, 100, 0, 0)
NUM_SCORES = 240


def searched(state: int, scores: list[float], most: int) -> tuple[list[int], int]:
    ids: list[int] = []
    while True:
        shift = SHIFTS[state]
        allowed = sorted((token, arc[2]) for arc in ARCS[state] for token in range(arc[0], arc[1]))
        highest = max(scores[token + shift] for token, _ in allowed)
        token, state = next(pair for pair in allowed if scores[pair[0] + shift] == highest)
        ids.append(token)
        if len(ids) == most or SHIFTS[state] == 0:
            return ids, state


scores_of_rows = st.lists(
    st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.5, 7.0, float("-inf")]), min_size=NUM_SCORES, max_size=NUM_SCORES),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("isa", [*instruction_sets()])
@given(scores=scores_of_rows, state=st.sampled_from([0, 3, 4]), most=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_equals_a_search(isa, scores, state, most):
    automaton = Automaton(ARCS, SHIFTS)
    asked = [Ask(automaton, state, row, most) for row in reversed(range(len(scores)))]
    with forced(isa):
        found = pick_likeliest(asked, torch.tensor(scores))
    assert found == [searched(state, own, most) for own in reversed(scores)]


@pytest.mark.parametrize("isa", [*instruction_sets()])
def test_finds_the_highest_wherever_it_stands(isa):
    automaton = Automaton([((3, 80, 0),)], [0])
    with forced(isa):
        for place in range(3, 80):
            scores = torch.randn(1, 90, generator=torch.Generator().manual_seed(place))
            scores[0, place] = 9.0
            scores[0, 80:] = 10.0
            assert pick_likeliest([Ask(automaton, 0, 0, 1)], scores) == [([place], 0)]


def test_positions_that_are_too_large_are_refused():
    arcs = [((0, 1, (state + 1) % 40),) for state in range(40)]
    with pytest.raises(ValueError, match=f"a position holds 40 ids, at most {MAX_GROUP} are picked together"):
        Automaton(arcs, [0] + [1] * 39)
