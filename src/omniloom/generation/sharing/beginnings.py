"""Which prompts begin alike: a tree of what is worth computing once.

Prompts in order of their ids stand beside those that they share most with, as leaves of a trie do, so what any stretch
of them has in common is what its first and last have. Samples of one prompt, items behind the same demonstrations and
both at once are thus found without being told. Rejected: one beginning for the whole batch, which samples of several
prompts do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST_SAVED = 32
"""Ids that must be saved for a beginning to be computed apart: to do so is one call of the model more."""


@dataclass(eq=False)
class Beginning:
    """Ids that `num_users` prompts, or longer beginnings, go on from; itself it may go on from a shorter one."""

    ids: Sequence[int]
    parent: Beginning | None
    num_users: int = 0


def beginnings_of(prompts: Sequence[Sequence[int]]) -> list[Beginning | None]:
    """For each prompt the longest beginning worth sharing, which leaves each at least one id of its own."""
    found: list[Beginning | None] = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda place: list(prompts[place]))
    stretches: list[tuple[list[int], Beginning | None]] = [(order, None)]
    while stretches:
        places, beginning = stretches.pop()
        alike = num_common(prompts[places[0]], prompts[places[-1]]) if len(places) > 1 else 0
        length = min(alike, min((len(prompts[place]) for place in places), default=0) - 1)
        num_new = length - (len(beginning.ids) if beginning is not None else 0)
        if num_new * (len(places) - 1) >= FEWEST_SAVED:
            beginning = Beginning(prompts[places[0]][:length], beginning)
        groups: dict[int | None, list[int]] = {}
        for place in places:
            groups.setdefault(prompts[place][alike] if alike < len(prompts[place]) else None, []).append(place)
        for next_id, group in groups.items():
            if len(group) == 1 or next_id is None:
                for place in group:
                    found[place] = beginning
            else:
                stretches.append((group, beginning))
    return _counted(found)


def num_common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (own, new) in pairs if own != new), min(len(one), len(other)))


def _counted(found: list[Beginning | None]) -> list[Beginning | None]:
    """The same, each with the number of its users; every beginning's own parent is used once."""
    seen: set[Beginning] = set()
    for beginning in found:
        if beginning is None:
            continue
        beginning.num_users += 1
        while beginning not in seen:
            seen.add(beginning)
            if beginning.parent is None:
                break
            beginning.parent.num_users += 1
            beginning = beginning.parent
    return found
