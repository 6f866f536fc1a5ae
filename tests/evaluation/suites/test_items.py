"""Finished items: what is read back equals what was kept, and what is not this evaluation's is refused by name."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omniloom.evaluation.suites import Items, read_items

SETTINGS = {"seed": 0, "shots": (0, 1)}


def opened(path: Path | None, **changes: Any) -> Items:
    own = {"suite": "sums", "subject": "a model", "settings": SETTINGS} | changes
    return Items(path, **own)


def squares(asked: list[int]) -> Any:
    def compute(places: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        for place in reversed(places):
            asked.append(place)
            yield place, {"score": place**2, "text": "é\u2028\n"}

    return compute


KEYS = [f"item {number}" for number in range(6)]


def test_a_stopped_run_goes_on_without_asking_anything_twice(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "items.jsonl"
    asked: list[int] = []

    def stopped(places: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        for count, found in enumerate(squares(asked)(places)):
            if count == 2:
                raise KeyboardInterrupt
            yield found

    with pytest.raises(KeyboardInterrupt):
        opened(path).complete(KEYS, stopped, title="sums")
    asked.clear()
    items = opened(path)
    found = items.complete(KEYS, squares(asked), title="sums")
    assert asked == [3, 2, 1, 0] and (items.num_kept, items.num_asked) == (2, 4)
    assert found == opened(None).complete(KEYS, squares([]), title="sums")
    again = opened(path)
    assert again.complete(KEYS, squares(asked), title="sums") == found
    assert len(asked) == 4 and again.num_asked == 0


@pytest.mark.parametrize("kept", range(0, 400, 7))
def test_a_line_torn_anywhere_is_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "items.jsonl"
    whole = opened(path).complete(KEYS, squares([]), title="sums")
    data = path.read_bytes()
    path.write_bytes(data[:kept])
    assert opened(path).complete(KEYS, squares([]), title="sums") == whole
    assert sorted(path.read_bytes().splitlines()) == sorted(data.splitlines())


def test_a_larger_limit_goes_on_from_a_smaller(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    opened(path).complete(KEYS[:2], squares([]), title="sums")
    asked: list[int] = []
    opened(path).complete(KEYS, squares(asked), title="sums")
    assert sorted(asked) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"suite": "world"}, "suite was 'sums' and is 'world'"),
        ({"subject": "b"}, "subject was 'a model' and is 'b'"),
        ({"settings": {"seed": 1, "shots": (0, 1)}}, "seed was 0 and is 1; give another --results"),
        ({"settings": {"seed": 0}}, r"shots was \[0, 1\] and is None"),
    ],
)
def test_the_file_of_another_evaluation_is_refused_with_what_differs(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = tmp_path / "items.jsonl"
    opened(path).add("a", {"score": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=told):
        opened(path, **changes)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line", [b"{}", b"null", b"[1]", b"\xff\x00", b'{"key": "a"}', b'{"key": "a", "value": 3}', b'{"key": "a", "val']
)
def test_damage_inside_is_told_by_its_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "items.jsonl"
    opened(path).complete(KEYS[:3], squares([]), title="sums")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]) + b"\n")
    with pytest.raises(ValueError, match=r"items.jsonl is damaged at line 3 .*delete that line, and its item is asked"):
        opened(path)


@pytest.mark.parametrize(
    "data", [b"a letter to a friend", b"a letter\nof two lines\n", b"\x00\n", b'{"format": "x"}\n']
)
def test_what_is_no_file_of_items_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"letter.txt is no file of finished items"):
        opened(path)
    assert path.read_bytes() == data


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.touch()
    opened(path).add("a", {"score": 1})
    assert [*json.loads(path.read_text().splitlines()[0])] == ["format", "suite", "subject", "settings"]
    assert opened(path)["a"] == {"score": 1}


def test_keys_are_the_items_own() -> None:
    with pytest.raises(ValueError, match="item 'a' comes twice"):
        opened(None).complete(["a", "b", "a"], squares([]), title="sums")
    with pytest.raises(ValueError, match="sums: 2 items have no value, 'a' among them"):
        opened(None).complete(["a", "b"], lambda places: iter(()), title="sums")


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    first, second = opened(path), opened(path)
    first.add("a", {"score": 1})
    with pytest.raises(ValueError, match=r"items.jsonl was written by another process meanwhile; let that one finish"):
        second.add("a", {"score": 2})
    first.add("b", {"score": 3})
    assert opened(path).starting_with("") == {"a": {"score": 1}, "b": {"score": 3}}


def test_a_full_disk_is_told_and_costs_the_one_item(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    items = opened(path)
    items.add("a", {"score": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(ValueError, match=r"items.jsonl cannot be written: .* run the same command"):
            items.add("b", {"score": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    again = opened(path)
    assert again.starting_with("") == {"a": {"score": 1}}
    again.add("b", {"score": 2})
    assert opened(path).starting_with("") == {"a": {"score": 1}, "b": {"score": 2}}


def test_half_a_character_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    opened(path).add("a", {"text": "\ud83d é"})
    assert opened(path)["a"] == {"text": "? é"}


def test_who_looks_at_a_file_afterwards_gets_its_items_and_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    with pytest.raises(ValueError, match=r"items.jsonl holds no finished items; give the --results of an evaluation"):
        read_items(path, suite="sums")
    found = opened(path).complete(KEYS, squares([]), title="sums")
    path.write_bytes(path.read_bytes()[:-3])
    kept = path.read_bytes()
    read = read_items(path, suite="sums")
    # The items were written the last first, and the line of the first of all is torn.
    assert list(read) == KEYS[:0:-1] and [read[key] for key in KEYS[1:]] == found[1:] and path.read_bytes() == kept
    with pytest.raises(ValueError, match="suite was 'sums' and is 'other'; give another --results"):
        read_items(path, suite="other")
    path.write_text("a letter\n")
    with pytest.raises(ValueError, match="is no file of finished items"):
        read_items(path, suite="sums")
