"""Generated functions: nothing of the test set stands in training, each is well posed, and its reference is right."""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import Any

import pytest

from omniloom.core.randomness import generator
from omniloom.data.code.generated import STEPS, GeneratedFunctions, compositions, functions, is_held_out
from omniloom.data.code.generated.steps import READING_WEIGHTS
from omniloom.data.code.problem import CodeProblem
from omniloom.data.code.stdlib import functions as stdlib_functions
from omniloom.data.code.stdlib import pieces, stdlib_files

MADE = GeneratedFunctions()


def run(problem: CodeProblem, body: str) -> dict[str, Any]:
    """The names that a program of ours defines; nothing of a model's ever comes here."""
    names: dict[str, Any] = {}
    exec(problem.prompt + body, names)
    return names


def test_the_splits_share_no_composition_and_every_step_is_trained() -> None:
    train, test = set(compositions("train")), set(compositions("test"))
    assert not train & test and len(test) > 1000
    assert {step for own in train for step in own} == set(STEPS)
    assert all(is_held_out(own) and len(own) > 1 for own in test)
    assert 0.08 < len(test) / (len(train) + len(test)) < 0.12


def test_what_is_made_is_of_its_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    made = functions._problem
    monkeypatch.setattr(
        functions, "_problem", lambda own, random, *, name: asked.append(own) or made(own, random, name=name)
    )
    MADE.problems("train", 60)
    assert not any(map(is_held_out, asked))
    asked.clear()
    MADE.problems("test", 60)
    assert asked and all(map(is_held_out, asked))


def test_longer_ones_are_longer_than_any_that_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, compositions("train"))) == max(map(len, compositions("test"))) == functions.MAX_STEPS
    asked: list[functions.Composition] = []
    made = functions._problem
    monkeypatch.setattr(
        functions, "_problem", lambda own, random, *, name: asked.append(own) or made(own, random, name=name)
    )
    problems = MADE.problems("longer", 30)
    assert {problem.group for problem in problems} == {"4 steps"} and {len(own) for own in asked} == {4}
    for own in asked:
        assert len(set(own)) == 4 and all(step.source == last.target for last, step in pairwise(own))


@pytest.mark.parametrize("split", ["train", "test", "longer"])
def test_the_same_index_is_the_same_function_and_its_reference_passes(split: functions.CodeSplit) -> None:
    for index in range(40):
        problem = MADE.problem(split, index)
        assert problem == GeneratedFunctions().problem(split, index)
        names = run(problem, problem.reference)
        exec(problem.test, names)
        for given, told in re.findall(r">>> (\w+\(.*\))\n    (.*)\n", problem.prompt):
            assert repr(eval(given, names)) == told


def test_examples_tell_other_readings_apart_that_tests_tell_apart() -> None:
    """By the programs themselves: each other reading either passes all tests or breaks an example."""
    random = generator("test of generated functions")
    num_others = 0
    for composition in compositions("test")[::90]:
        problem = functions._problem(composition, random, name="x")
        if problem is None:
            continue
        shown = re.findall(r">>> (\w+\(.*\))\n    (.*)\n", problem.prompt)
        for readings in product(*(range(len(step.readings)) for step in composition)):
            body = _body_like(problem.reference, composition, readings)
            names = run(problem, body)
            fits = all(repr(eval(given, names)) == told for given, told in shown)
            try:
                exec(problem.test, names)
                passes = True
            except AssertionError:
                passes = False
            num_others += not passes
            assert passes or not fits, problem.prompt + body
    assert num_others > 20


def _body_like(reference: str, composition: functions.Composition, readings: tuple[int, ...]) -> str:
    """The reference with each step's reading replaced; its constants are read back from its lines."""
    chosen = []
    for line, step, reading in zip(reference.splitlines(), composition, readings, strict=True):
        constant = next(k for k in step.constants or (0,) if _has(line, step, k))
        chosen.append(functions.Chosen(step, constant, "", reading))
    return functions._body(chosen)


def _has(line: str, step: functions.Step, constant: int) -> bool:
    name = functions.NAMES[step.source]
    return any(line.endswith(re.sub(r"\bx\b", name, own.format(k=constant))) for own in step.readings)


def test_every_number_of_readings_has_its_weights() -> None:
    for step in STEPS:
        weights = READING_WEIGHTS[len(step.readings)]
        assert len(weights) == len(step.readings) and sum(weights) == pytest.approx(1)
        assert list(weights) == sorted(weights, reverse=True)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split must be train or test, got 'new'"):
        MADE.problem("new", 0)  # type: ignore[arg-type]


SOURCE = '''"""A module."""

import os


class A:
    def f(self, x):
        """Twice x,
        or so.
        """
        y = x
        return 2 * y

    def bare(self):
        return 1
'''


def test_pieces_of_a_module_are_the_module() -> None:
    found = list(pieces(SOURCE, max_chars=60, random=generator("pieces")))
    assert "".join(own.prompt + own.reply for own in found) == SOURCE
    assert [own.is_cut for own in found] == [True] * (len(found) - 1) + [False] and len(found) > 2
    assert all(len(own.prompt + own.reply) <= 60 for own in found)


def test_functions_of_a_module_have_their_indentation_taken_off() -> None:
    (own,) = stdlib_functions(SOURCE)
    assert own.prompt == 'def f(self, x):\n    """Twice x,\n    or so.\n    """\n'
    assert own.reply == "    y = x\n    return 2 * y\n"


def test_the_library_is_there_without_its_tests() -> None:
    files = stdlib_files()
    assert len(files) > 200 and not any("test" in path.parts for path in files)
