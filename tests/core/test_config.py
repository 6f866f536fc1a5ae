"""Configurations survive a round trip, and every slip in a path or a value gets one clear error."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniloom.core.config import changed_lines, flatten, from_dict, override, paths, to_dict, to_text, unflatten


class Dense:
    @dataclass(frozen=True, kw_only=True)
    class Config:
        num_heads: int = 4


class Window:
    @dataclass(frozen=True, kw_only=True)
    class Config:
        num_heads: int = 4
        window: int = 128


@dataclass(frozen=True, kw_only=True)
class Stage:
    width: int
    name: str = "stage"


@dataclass(frozen=True, kw_only=True)
class Run:
    depth: int
    attention: Dense.Config | Window.Config = Dense.Config()
    rate: float = 1e-3
    is_causal: bool = True
    schedule: Literal["constant", "cosine"] = "cosine"
    levels: tuple[int, ...] = (8, 5, 5, 5)
    size: tuple[int, float] = (1, 2.0)
    stages: tuple[Stage, ...] = (Stage(width=1), Stage(width=2))
    weights: dict[str, float] = field(default_factory=lambda: {"text": 1.0})
    folder: Path | None = None
    seed: int | None = None
    warm_up: Stage | None = None


plain_text = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=8)
stages = st.builds(Stage, width=st.integers(), name=plain_text)
runs = st.builds(
    Run,
    depth=st.integers(),
    attention=st.builds(Dense.Config, num_heads=st.integers()) | st.builds(Window.Config, window=st.integers()),
    rate=st.floats(allow_nan=False),
    is_causal=st.booleans(),
    schedule=st.sampled_from(["constant", "cosine"]),
    levels=st.lists(st.integers(), max_size=4).map(tuple),
    size=st.tuples(st.integers(), st.floats(allow_nan=False)),
    stages=st.lists(stages, max_size=12).map(tuple),
    weights=st.dictionaries(st.text("abc", min_size=1), st.floats(allow_nan=False), max_size=3),
    folder=st.sampled_from([None, Path("runs/a"), Path("b")]),
    seed=st.none() | st.integers(),
    warm_up=st.none() | stages,
)


@given(runs)
def test_round_trip_through_json(run: Run) -> None:
    assert from_dict(Run, json.loads(json.dumps(to_dict(run)))) == run


@given(runs)
def test_round_trip_through_flat_paths(run: Run) -> None:
    assert from_dict(Run, unflatten(flatten(run))) == run


@given(runs)
def test_overriding_with_its_own_text_changes_nothing(run: Run) -> None:
    flat = flatten(run)
    names = ("depth", "rate", "is_causal", "schedule", "seed", "attention.num_heads")
    changes = {path: str(flat[path]) for path in names}
    assert override(run, changes) == run


def test_flat_paths_and_text_are_as_documented() -> None:
    run = Run(depth=2, attention=Window.Config(window=64))
    flat = flatten(run)
    assert flat["attention.type"] == "Window.Config"
    assert flat["attention.window"] == 64
    assert flat["levels"] == (8, 5, 5, 5)
    assert flat["stages.1.width"] == 2
    assert flat["weights.text"] == 1.0
    assert "levels = 8,5,5,5\n" in to_text(run)
    assert "attention" in paths(run)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("depth", "12", 12),
        ("depth", "1_000", 1000),
        ("depth", "1e6", 1_000_000),
        ("rate", "3e-4", 3e-4),
        ("is_causal", "no", False),
        ("schedule", "constant", "constant"),
        ("levels", "4,4", (4, 4)),
        ("levels", "(4, 4)", (4, 4)),
        ("levels", "", ()),
        ("size", "3,0.5", (3, 0.5)),
        ("seed", "7", 7),
        ("seed", "none", None),
        ("folder", "runs/x", Path("runs/x")),
        ("warm_up", "none", None),
    ],
)
def test_override_reads_text_by_the_fields_type(path: str, text: str, expected: object) -> None:
    assert getattr(override(Run(depth=1), {path: text}), path) == expected


def test_override_reaches_nested_fields() -> None:
    run = override(Run(depth=1), {"stages.1.width": "9", "attention.num_heads": "2", "weights.text": "0.5"})
    assert run.stages == (Stage(width=1), Stage(width=9))
    assert run.attention == Dense.Config(num_heads=2)
    assert run.weights == {"text": 0.5}


@pytest.mark.parametrize("order", [1, -1])
def test_a_union_is_chosen_by_name_then_set(order: int) -> None:
    changes = dict([("attention", "Window.Config"), ("attention.window", "16")][::order])
    assert override(Run(depth=1), changes).attention == Window.Config(window=16)


def test_an_optional_part_is_switched_on_by_name() -> None:
    run = override(Run(depth=1), {"warm_up": "Stage", "warm_up.width": "3"})
    assert run.warm_up == Stage(width=3)
    assert override(Run(depth=1), {"warm_up.width": "3"}) == run
    with pytest.raises(ValueError, match=r"warm_up.width is missing; Stage needs it"):
        override(Run(depth=1), {"warm_up.name": "first"})


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("dept", "3", "unknown setting 'dept'; did you mean 'depth'"),
        ("attention.num_head", "3", "did you mean 'attention.num_heads'"),
        ("num_heads", "3", "did you mean 'attention.num_heads'"),
        ("depth.more", "3", "unknown setting 'depth.more'"),
        ("stages.7.width", "3", "unknown setting 'stages.7.width'"),
        ("weights.image", "3", "unknown setting 'weights.image'"),
        ("attention", "Sparse", "choice for attention"),
        ("depth", "deep", "depth must be a whole number, got 'deep'"),
        ("depth", "1.5", "depth must be a whole number, got '1.5'"),
        ("depth", "1e999", "depth must be a whole number"),
        ("rate", "fast", "rate must be a number, got 'fast'"),
        ("is_causal", "maybe", "is_causal must be true or false, got 'maybe'"),
        ("schedule", "cosinus", "schedule must be one of constant, cosine, got 'cosinus'"),
        ("levels", "4,x", "levels must be a whole number, got 'x'"),
        ("size", "4", "size must have 2 values, got 1"),
        ("seed", "x", "seed must be a whole number or none"),
    ],
)
def test_override_errors_name_the_value_and_the_remedy(path: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[").replace("(", r"\(")):
        override(Run(depth=1), {path: text})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dept": 1}, "unknown setting 'dept'; did you mean 'depth'"),
        ({"depth": "1"}, "depth must be a whole number, got '1'"),
        ({"depth": True}, "depth must be a whole number, got True"),
        ({"depth": 1, "attention": {"num_heads": 1}}, "attention must say its type"),
        ({"depth": 1, "attention": {"type": "Windw.Config"}}, "did you mean 'Window.Config'"),
        ({"depth": 1, "stages": [{"name": "a"}]}, r"stages.0.width is missing; Stage needs it"),
        ({}, "depth is missing; Run needs it"),
    ],
)
def test_from_dict_errors_name_the_path(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_dict(Run, change)


def test_older_files_without_a_newer_field_take_its_default() -> None:
    assert from_dict(Run, {"depth": 3}) == Run(depth=3)


def test_a_configuration_stays_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Run(depth=1).depth = 2  # type: ignore[misc]


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="dataclass instance"):
        to_dict({"depth": 1})


def test_changed_lines_show_what_went_and_what_came() -> None:
    before = "depth = 1\nname = tiny\nwidth = 2\n"
    assert changed_lines(before, before) == []
    assert changed_lines(before, "depth = 3\nheads = 4\nwidth = 2\n") == [
        "- depth = 1", "+ depth = 3", "+ heads = 4", "- name = tiny",
    ]  # fmt: skip
