"""Mappings that no training of ours has shown, to be read off the prompt: `meta-cipher`, `-order`, `-labels`, `-rules`.

Each task has items of many mappings, all of them among those that `data.problems.in_context` holds out, and an item's
demonstrations are of its own mapping. Nothing is asked twice with the same options, so that an oracle can tell items
apart; without demonstrations nobody else can. `-shuffled` tasks are a control: the same prompts with the answers of the
demonstrations dealt out anew, so that all of a prompt's words and forms are there and what they say is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omniloom.core.randomness import generator
from omniloom.data.problems.in_context import FAMILIES, Mapping, Solved, different_items, drawn
from omniloom.evaluation.few_shot.task import FreeForm, Item, Options, Split, Task, add_task

NUM_MAPPINGS = 60
NUM_SHOWN, NUM_ASKED = 20, 5
"""Items of each mapping to be shown, and others to be asked."""

STOPS = ("\n",)


def _loader(family: str, *, is_shuffled: bool) -> Callable[[Split], Sequence[Item]]:
    def load(split: Split) -> list[Item]:
        found: list[Item] = []
        asked: set[tuple[str, tuple[str, ...]]] = set()
        for number in range(NUM_MAPPINGS):
            random = generator("meta task", family, number)
            mapping = drawn(FAMILIES[family], random, held_out=True)
            solved = different_items(mapping, random, NUM_SHOWN + NUM_ASKED)
            shown, rest = solved[:NUM_SHOWN], solved[NUM_SHOWN:]
            own = shown if split == "train" else [i for i in rest if (i.given, mapping.options) not in asked]
            asked |= {(item.given, mapping.options) for item in rest}
            if split == "train" and is_shuffled:
                answers = random.permutation([item.answer for item in own]).tolist()
                own = [Solved(item.given, answer) for item, answer in zip(own, answers, strict=True)]
            found += [_item(mapping, number, item) for item in own]
        return found

    return load


def _item(mapping: Mapping, number: int, item: Solved) -> Item:
    return Item(context=item.given, answers=(item.answer,), options=mapping.options, mapping=f"{number} {mapping.name}")


def _task(family: str, *, is_shuffled: bool) -> Task:
    has_options = bool(FAMILIES[family].draw(generator("meta options", family)).options)
    return Task(
        name=f"meta-{family}{'-shuffled' if is_shuffled else ''}",
        load=_loader(family, is_shuffled=is_shuffled),
        answering=Options(scoring="whole") if has_options else FreeForm(stops=STOPS, max_tokens=6),
        separator="\n",
        shots=FAMILIES[family].most_shots,
    )


META = tuple(add_task(_task(family, is_shuffled=is_shuffled)) for is_shuffled in (False, True) for family in FAMILIES)
"""The four tasks, and their controls."""
