"""Functions composed of steps: a docstring in words with an example, a body, and tests; endless, and held out by rule.

A composition is a sequence of steps that fit together. One in ten of two steps or more is held out, by a hash of its
steps' names, so a problem of the test split is asked for a sequence that was never shown, of steps that each were. All
compositions can be enumerated, and a test does.

Every function is well posed: its examples tell each other reading of the same words apart that its tests tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np

from omniloom.core.randomness import generator, seed_of
from omniloom.data.code.generated.steps import NAMES, READING_WEIGHTS, STEPS, Kind, Step
from omniloom.data.code.problem import CodeProblem
from omniloom.data.texts import TextExample

CodeSplit = Literal["train", "test", "longer"]
"""*longer*: sequences of one step more than any that is trained on, so that all of them are held out."""

Composition = tuple[Step, ...]

MAX_STEPS = 3
SOURCES: tuple[Kind, ...] = ("numbers", "text")
HELD_OUT_SHARE = 0.1
NUM_TESTS, MAX_EXAMPLES, NUM_TRIED = 6, 2, 10
FUNCTION_NAMES = ("solve", "compute", "process", "convert", "transform", "apply", "answer", "result_of")
WORDS = (
    "apple", "river", "Stone", "cloud", "green", "Tiger", "music", "table", "bread", "light", "Ocean", "paper", "seven",
    "Window", "small", "yellow", "a", "an", "to", "it", "up", "Sun", "sky", "tree", "bird", "fish", "gold", "rain",
    "Moon", "wolf", "deer", "lake", "hill", "sand",
)  # fmt: skip


class Chosen(NamedTuple):
    """A step as one function has it: with its constant, in these words and with this meaning."""

    step: Step
    constant: int
    phrase: str
    reading: int


def is_held_out(composition: Composition) -> bool:
    """Whether a sequence of steps is kept for testing."""
    names = [step.name for step in composition]
    return len(names) > 1 and seed_of("held-out composition", *names) % 1000 < 1000 * HELD_OUT_SHARE


@cache
def compositions(split: CodeSplit) -> tuple[Composition, ...]:
    """All sequences of 1 to `MAX_STEPS` different steps that are trained on, or kept for "test".

    Raises:
        ValueError: If the split is neither.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, got {split!r}")
    return tuple(found for found in _sequences() if is_held_out(found) == (split == "test"))


def _sequences() -> Iterator[Composition]:
    grown: list[Composition] = [(step,) for step in STEPS if step.source in SOURCES]
    for _ in range(MAX_STEPS):
        yield from grown
        grown = [
            (*done, step) for done in grown for step in STEPS if step.source == done[-1].target and step not in done
        ]


class GeneratedFunctions:
    """The function at each index of a split; the same everywhere."""

    def problem(self, split: CodeSplit, index: int) -> CodeProblem:
        """A function to be written, with its tests."""
        random = generator("generated function", split, index)
        while True:
            composition = _walk(random) if split == "longer" else _drawn(split, random)
            problem = _problem(composition, random, name=f"generated/{split}/{index}")
            if problem is not None:
                return problem

    def problems(self, split: CodeSplit, count: int, *, first: int = 0) -> list[CodeProblem]:
        """Those at `count` indices from `first` on."""
        return [self.problem(split, index) for index in range(first, first + count)]


def as_example(problem: CodeProblem) -> TextExample:
    """The body as the reply to signature and docstring."""
    return TextExample(prompt=problem.prompt, reply=problem.reference, task="function")


def _drawn(split: CodeSplit, random: np.random.Generator) -> Composition:
    """Long ones are many, so the length is drawn first."""
    lengths = range(1 if split == "train" else 2, MAX_STEPS + 1)
    length = int(random.choice(lengths, p=[own / sum(lengths) for own in lengths]))
    fitting = _of_length(split, length)
    return compositions(split)[fitting[int(random.integers(len(fitting)))]]


def _walk(random: np.random.Generator) -> Composition:
    """A sequence of `MAX_STEPS` + 1 different steps, each drawn from those that fit; they are too many to list."""
    while True:
        found: Composition = ()
        while len(found) <= MAX_STEPS:
            sources = (found[-1].target,) if found else SOURCES
            fitting = [step for step in STEPS if step.source in sources and step not in found]
            if not fitting:
                break
            found = (*found, fitting[int(random.integers(len(fitting)))])
        else:
            return found


@cache
def _of_length(split: CodeSplit, length: int) -> tuple[int, ...]:
    return tuple(place for place, found in enumerate(compositions(split)) if len(found) == length)


def _problem(composition: Composition, random: np.random.Generator, *, name: str) -> CodeProblem | None:
    """None where the draw gives a function that its examples leave open, or whose results hardly vary."""
    chosen = [_choose(step, random) for step in composition]
    source = composition[0].source
    inputs = [_input(source, random) for _ in range(NUM_TESTS + NUM_TRIED)]
    tests, tried = inputs[:NUM_TESTS], inputs[NUM_TESTS:]
    expected = _results(chosen, [own.reading for own in chosen], tests)
    if len(set(map(repr, expected))) < NUM_TESTS // 2 or expected == tests:
        return None
    examples = _telling_examples(chosen, tests, tried)
    if examples is None:
        return None
    function = str(random.choice(FUNCTION_NAMES))
    header = f"def {function}({NAMES[source]}):\n"
    told = _results(chosen, [own.reading for own in chosen], examples)
    shown = "".join(f"    >>> {function}({given!r})\n    {out!r}\n" for given, out in zip(examples, told, strict=True))
    description = _sentence([own.phrase for own in chosen])
    asserts = [f"assert {function}({given!r}) == {out!r}\n" for given, out in zip(tests, expected, strict=True)]
    return CodeProblem(
        name=name,
        prompt=f'{header}    """{description}\n\n{shown}    """\n',
        test="".join(asserts),
        entry_points=(function,),
        reference=_body(chosen),
        description=description,
        header=header,
        group=f"{len(composition)} steps",
    )


def _choose(step: Step, random: np.random.Generator) -> Chosen:
    constant = int(random.choice(step.constants)) if step.constants else 0
    phrase = str(random.choice(step.phrases)).format(k=constant)
    reading = int(random.choice(len(step.readings), p=READING_WEIGHTS[len(step.readings)]))
    return Chosen(step, constant, phrase, reading)


def _input(kind: Kind, random: np.random.Generator) -> Any:
    if kind == "text":
        return " ".join(str(word) for word in random.choice(WORDS, size=int(random.integers(2, 5))))
    return [int(number) for number in random.integers(-5, 13, size=int(random.integers(4, 8)))]


def _telling_examples(chosen: Sequence[Chosen], tests: Sequence[Any], tried: Sequence[Any]) -> list[Any] | None:
    """As few inputs as tell the meant readings from all that the tests tell from them; None if two do not."""
    meant = [own.reading for own in chosen]
    right, right_tried = _results(chosen, meant, tests), _results(chosen, meant, tried)
    open_left: list[list[bool]] = []
    for readings in product(*(range(len(own.step.readings)) for own in chosen)):
        if list(readings) != meant and _results(chosen, readings, tests) != right:
            others = _results(chosen, readings, tried)
            open_left.append([mine != other for mine, other in zip(right_tried, others, strict=True)])
    found: list[Any] = []
    while open_left and len(found) < MAX_EXAMPLES:
        best = max(range(len(tried)), key=lambda place: sum(told[place] for told in open_left))
        found.append(tried[best])
        open_left = [told for told in open_left if not told[best]]
    if open_left:
        return None
    return found or [tried[0]]


def _results(chosen: Sequence[Chosen], readings: Sequence[int], inputs: Sequence[Any]) -> list[Any]:
    """What the function gives for each input."""
    functions = [_function(own.step.readings[reading]) for own, reading in zip(chosen, readings, strict=True)]
    found = []
    for value in inputs:
        for own, function in zip(chosen, functions, strict=True):
            value = function(value, own.constant)
        found.append(value)
    return found


@cache
def _function(reading: str) -> Any:
    return eval(f"lambda x, k: {reading.format(k='k')}")


def _sentence(phrases: Sequence[str]) -> str:
    *before, last = phrases
    joined = f"{', '.join(before)} and {last}" if before else last
    return f"{joined[0].upper()}{joined[1:]}."


def _body(chosen: Sequence[Chosen]) -> str:
    """One line a step; a value is named for what it is."""
    lines, name = [], NAMES[chosen[0].step.source]
    for own in chosen:
        value = re.sub(r"\bx\b", name, own.step.readings[own.reading].format(k=own.constant))
        name = NAMES[own.step.target]
        lines.append(f"    {name} = {value}\n")
    lines[-1] = f"    return {value}\n"
    return "".join(lines)
