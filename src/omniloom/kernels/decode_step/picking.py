"""The next position of many greedy rows in one call: for each the likeliest ids that its automaton allows.

Picking by numpy took 3 us for each id of a position, in Python's lock, which eight sessions of speech had to themselves
for a third of their time. Rows that draw, or are held to rules, are picked one by one (`generation.batch`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels import native

MAX_GROUP = 32
"""Ids of a position (DECODE_GROUP in decode_step.h)."""
_HEAD = 5
"""Numbers before them: automaton, scores, state, most, num_ids."""

Picked = tuple[list[int], int]
"""A position's ids, and the state after them."""


class _Automaton(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("arcs", "firsts", "shifts"))


class Automaton:
    """Which ids may follow in which state, as the native pick reads it; immutable."""

    def __init__(self, arcs: Sequence[Sequence[tuple[int, int, int]]], shifts: Sequence[int]) -> None:
        """For each state its arcs (first id, last id + 1, next state), and how much further its ids' scores stand.

        A state whose shift is above 0 shares its position with the state before.

        Raises:
            ValueError: If a position may have more than `MAX_GROUP` ids.
        """
        if (longest := max(_group_size(state, arcs, shifts) for state in range(len(arcs)))) > MAX_GROUP:
            raise ValueError(f"a position holds {longest} ids, at most {MAX_GROUP} are picked together")
        self._arcs = np.array([*chain.from_iterable(map(sorted, arcs))], dtype=np.int32)
        self._firsts = np.array([0, *accumulate(map(len, arcs))], dtype=np.int32)
        self._shifts = np.array(shifts, dtype=np.int32)
        pointers = (array.ctypes.data for array in (self._arcs, self._firsts, self._shifts))
        self._structure = _Automaton(*pointers)
        self.place = ctypes.addressof(self._structure)


def _group_size(state: int, arcs: Sequence[Sequence[tuple[int, int, int]]], shifts: Sequence[int]) -> int:
    """How many ids stand at a position that begins in this state; within one each state has one arc."""
    sizes = []
    for _, _, target in arcs[state]:
        size = 1
        while shifts[target] > 0:
            size, target = size + 1, arcs[target][0][2]
        sizes.append(size)
    return max(sizes)


class Ask(NamedTuple):
    """A row that picks: its automaton and state, the row of the scores, and how many ids it may take."""

    automaton: Automaton
    state: int
    row: int
    most: int


def picks_natively() -> bool:
    return native.is_native()


def pick_likeliest(asked: Sequence[Ask], scores: Float[Tensor, "B scores"]) -> list[Picked]:
    """The likeliest next position of each row, of equal scores the lowest id; `picks_natively` must hold.

    `scores` are float32 on the CPU, its rows each in one piece.
    """
    library = native.library()
    assert library is not None
    base, stride = scores.data_ptr(), scores.stride(0) * 4
    picks = np.empty((len(asked), _HEAD + MAX_GROUP), dtype=np.int64)
    picks[:, :_HEAD] = [(ask.automaton.place, base + ask.row * stride, ask.state, ask.most, 0) for ask in asked]
    library.omniloom_pick_likeliest(picks.ctypes.data, len(asked))
    return [(row[_HEAD : _HEAD + row[4]], row[2]) for row in picks.tolist()]
