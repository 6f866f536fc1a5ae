"""Runs of thirteen words, found in training texts or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.evaluation.few_shot import Item, contamination, few_shot_tasks, look_for
from omniloom.evaluation.few_shot.contamination import calculation_of, calculations_in, read_texts, words_of

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def item(context: str, answer: str = " end") -> Item:
    return Item(context=context, answers=(answer,))


def test_a_run_of_thirteen_words_is_found_whatever_the_marks_between() -> None:
    items = [item(LONG), item("a b c d e f g h"), item("too short")]
    seen = "Before: ONE, two; three-four five six seven eight nine ten eleven twelve thirteen! After."
    found = contamination(items, ["nothing of it", seen])
    assert (found.found, found.num_looked_for, found.num_short, found.share) == ((0,), 2, 1, 0.5)
    missed = seen.replace("seven", "7")
    assert contamination(items, [missed]).found == ()


def test_a_short_item_is_looked_for_whole() -> None:
    items = [item("a b c d e f g h")]
    assert contamination(items, ["x a b c d e f g h end y"]).found == (0,)
    assert contamination(items, ["x a b c d e f g h y"]).found == ()


def test_runs_do_not_reach_from_text_to_text() -> None:
    half = len(LONG) // 2
    assert contamination([item(LONG)], [LONG[:half], LONG[half:]]).found == ()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=12), st.lists(st.sampled_from("abc"), max_size=30))
def test_it_is_what_looking_everywhere_finds(own: list[str], text: list[str]) -> None:
    found = contamination([item(" ".join(own), "")], [" ".join(text)], num_words=4, min_words=3)
    length = min(4, len(own))
    runs = {tuple(own[start : start + length]) for start in range(len(own) - length + 1)}
    places = range(len(text) - length + 1)
    assert bool(found.found) == any(tuple(text[start : start + length]) in runs for start in places)


def test_files_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text(LONG)
    (tmp_path / "b.jsonl").write_text('{"text": "other"}')
    (tmp_path / "c.bin").write_bytes(b"\xff")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert len(list(read_texts([tmp_path]))) == 2
    assert contamination([item(LONG)], read_texts([tmp_path])).found == (0,)
    with pytest.raises(ValueError, match="there is no"):
        list(read_texts([tmp_path / "nowhere"]))
    with pytest.raises(ValueError, match=r"no \.txt or \.jsonl file"):
        list(read_texts([empty]))
    with pytest.raises(ValueError, match="min_words must be from 1 to num_words 3, got 8"):
        contamination([], [], num_words=3)
    assert words_of("Don't stop: 1,000 -- yes!") == ["don't", "stop", "1", "000", "yes"]


def test_sums_are_looked_for_in_both_forms_of_the_paper(tmp_path: Path) -> None:
    items = few_shot_tasks.get("2D+").items("test")
    (first, _, one), (second, _, two) = (calculation_of(items[number]) for number in (3, 7))
    assert calculations_in("12 + 3 = 15, 4-1=3, 7 × 8 = 56; 9 plus 10, 1.5 + 2 = 3.5, 3 + 4") == {
        ("12", "plus", "3"), ("4", "minus", "1"), ("7", "times", "8"), ("9", "plus", "10"),
    }  # fmt: skip
    (tmp_path / "a.txt").write_text(f"We had {first} + {one} = many, and {second} plus {two} of others.")
    found = look_for(["2D+", "1DC"], [tmp_path])
    same = [n for n, item in enumerate(items) if calculation_of(item) in {(first, "plus", one), (second, "plus", two)}]
    assert found.tasks["2D+"].found == tuple(same) and {3, 7} <= set(same)
    assert (found.tasks["2D+"].num_looked_for, found.tasks["2D+"].num_short) == (2000, 0)
    assert found.tasks["1DC"].found == ()
