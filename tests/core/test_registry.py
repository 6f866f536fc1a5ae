"""A name has one owner, and an unknown one is answered with the nearest."""

import pytest

from omniloom.core.nearest import nearest, unknown_name
from omniloom.core.registry import Registry


def test_names_in_order_and_values_as_they_are() -> None:
    problems: Registry[type] = Registry("problem")

    @problems.register("scenes")
    class Scenes:
        pass

    problems.add("digits", int)
    assert problems.names() == ("scenes", "digits") == tuple(problems)
    assert problems.get("scenes") is Scenes
    assert "scenes" in problems and len(problems) == 2


def test_a_second_owner_is_refused_the_same_one_is_not() -> None:
    problems: Registry[int] = Registry("problem")
    problems.add("one", 1)
    problems.add("one", 1)
    with pytest.raises(ValueError, match="problem 'one' is already registered"):
        problems.add("one", 2)


def test_unknown_names() -> None:
    problems: Registry[int] = Registry("problem")
    with pytest.raises(ValueError, match="unknown problem 'scenes'; there are: none"):
        problems.get("scenes")
    problems.add("scenes", 1)
    problems.add("speech", 2)
    with pytest.raises(ValueError, match="unknown problem 'scene'; did you mean 'scenes'"):
        problems.get("scene")
    with pytest.raises(ValueError, match="there are: scenes, speech"):
        problems.get("xyzzy")


def test_nearest_ignores_case_and_knows_last_words() -> None:
    assert nearest("TINY", ["tiny", "small"]) == "tiny"
    assert nearest("window", ["model.attention.window", "rate"]) == "model.attention.window"
    assert nearest("zzz", ["tiny"]) is None
    assert "…" in str(unknown_name("name", "?", map(str, range(50))))
