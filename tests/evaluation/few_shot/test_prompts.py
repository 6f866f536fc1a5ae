"""Demonstrations: by seed, never the item itself, as many as asked for or as fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.evaluation.few_shot import FreeForm, Item, Options, Room, Shown, Task, make_prompt
from omniloom.evaluation.few_shot.prompts import draw

POOL = [Item(context=f"item {number} =", answers=(f" {number}",)) for number in range(40)]
ASKED = Item(context="item 99 =", answers=(" 99",))


def task(items: Sequence[Item] = POOL, *, max_tokens: int = 4) -> Task:
    return Task(
        name="test-numbers",
        load=lambda split: list(items),
        answering=FreeForm(max_tokens=max_tokens),
        instruction="Name it.\n",
        separator="\n",
        shots=5,
    )


def words(context: int) -> Room:
    return Room(context=context, num_tokens=lambda text: len(text.split()))


def test_none_one_and_some() -> None:
    assert make_prompt(task(), ASKED, POOL, shots=0).text == "Name it.\nitem 99 ="
    one = make_prompt(task(), ASKED, POOL, shots=1, seed=3)
    few = make_prompt(task(), ASKED, POOL, shots="few", seed=3)
    assert (one.num_shots, few.num_shots) == (1, 5)
    assert few.text.startswith(one.text.removesuffix("item 99 =")), "more shots begin with those of fewer"


def test_demonstrations_in_turns_of_their_own() -> None:
    alone = make_prompt(task(), ASKED, POOL, shots=0, form="turns")
    assert (alone.text, alone.shown) == ("Name it.\nitem 99 =", ())
    in_text = make_prompt(task(), ASKED, POOL, shots=2, seed=3)
    in_turns = make_prompt(task(), ASKED, POOL, shots=2, seed=3, form="turns")
    first, second = draw(task(), ASKED, POOL, 2, seed=3)
    assert in_turns.shown == (
        Shown("Name it.\n" + first.context, first.answers[0].strip()),
        Shown(second.context, second.answers[0].strip()),
    )
    assert (in_turns.text, in_turns.num_shots) == ("item 99 =", 2)
    assert in_turns.told != in_text.told
    room = words(4 + 2 + 2 * (3 + 1 + 4) + 3)
    assert make_prompt(task(), ASKED, POOL, shots="max", room=room, form="turns").num_shots == 2


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 39), place=st.integers(0, 39))
def test_the_item_itself_is_never_shown(seed: int, count: int, place: int) -> None:
    shown = draw(task(), POOL[place], POOL, count, seed=seed)
    contexts = [item.context for item in shown]
    assert len(set(contexts)) == count and POOL[place].context not in contexts


def test_the_seed_and_the_item_choose_and_nothing_else() -> None:
    def text(item: Item, seed: int) -> str:
        return make_prompt(task(), item, POOL, shots=8, seed=seed).text

    first = text(ASKED, 0)
    assert text(POOL[3], 0) and text(ASKED, 0) == first
    assert text(ASKED, 1) != first
    other = Item(context="item 98 =", answers=(" 98",))
    assert text(other, 0).replace("item 98", "item 99") != first


@settings(max_examples=60, deadline=None)
@given(context=st.integers(0, 200))
def test_max_is_as_many_as_fit(context: int) -> None:
    """The instruction has 2 words, the item 3, a demonstration 4, and the answer may take 4."""
    made = make_prompt(task(), ASKED, POOL, shots="max", room=words(context))
    assert made.fits == (context >= 9)
    assert made.num_shots == max(0, min(40, (context - 9) // 4))
    assert len(made.text.split()) == 5 + 4 * made.num_shots


def test_options_need_room_for_the_longest() -> None:
    item = Item(context="is it", answers=(" yes",), options=(" yes", " by no means at all"))
    own = Task(name="test-options", load=lambda split: [item], answering=Options())
    assert make_prompt(own, item, [], shots=0, room=words(7)).fits
    assert not make_prompt(own, item, [], shots=0, room=words(6)).fits


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(
        ValueError, match=r"5 shots takes 29 tokens with its answer, the model's context is 20; ask for f"
    ):
        make_prompt(task(), ASKED, POOL, shots=5, room=words(20))
    with pytest.raises(ValueError, match="has 39 demonstrations, got shots 40; ask for fewer"):
        make_prompt(task(), POOL[0], POOL, shots=40)
    with pytest.raises(ValueError, match="shots max needs a model's context"):
        make_prompt(task(), ASKED, POOL, shots="max")


@pytest.mark.parametrize(
    ("items", "answering", "message"),
    [
        ([], FreeForm(), "has no test items"),
        ([Item(context="a", answers=())], FreeForm(), r"item 0 of test of task test-broken, 'a', has no answer"),
        ([Item(context="a", answers=(" ",))], FreeForm(), "has no answer; give at least one that is not empty"),
        ([Item(context="a", answers=("b",))], Options(), r"needs at least two different options, got \[\]"),
        ([Item(context="a", answers=("b",), options=("b", "b"))], Options(), "needs at least two different options"),
        ([Item(context="a", answers=("c",), options=("a", "b"))], Options(), "has an answer that is no option"),
    ],
)
def test_a_task_without_answers_is_refused(items: list[Item], answering: FreeForm | Options, message: str) -> None:
    broken = Task(name="test-broken", load=lambda split: items, answering=answering)
    with pytest.raises(ValueError, match=message):
        broken.items("test")


def test_as_many_as_fit_are_of_the_items_own_mapping() -> None:
    pool = [
        Item(context=f"item {number} =", answers=(f" {number}",), mapping="even" if number % 2 == 0 else "odd")
        for number in range(20)
    ]
    asked = Item(context="item 98 =", answers=(" 98",), mapping="even")
    assert make_prompt(task(), asked, pool, shots="max", room=words(1000)).num_shots == 10
    assert make_prompt(task(), asked, pool, shots="max", room=words(2 + 4 * 3 + 3 + 4)).num_shots < 10
    shown = make_prompt(task(), asked, pool, shots="max", room=words(1000)).text
    assert all(f"item {number} =" in shown for number in range(0, 20, 2)) and "item 3 =" not in shown
