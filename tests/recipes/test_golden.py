"""Every recipe's complete configuration as text: a changed default must show in the diff. Renew with `make golden`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniloom.core.config import flatten, from_dict, to_text, unflatten
from omniloom.recipes import recipes

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", recipes.names())
def test_defaults_are_those_of_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = to_text(recipes.get(name).configure())
    if os.environ.get("OMNILOOM_RENEW_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.is_file() and text == path.read_text(encoding="utf-8"), "a default changed; run: make golden"


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_survives_its_flat_form(name: str) -> None:
    config = recipes.get(name).configure()
    assert from_dict(type(config), unflatten(flatten(config))) == config


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(recipes.names())
