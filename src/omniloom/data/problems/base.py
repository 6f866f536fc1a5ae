"""What a problem is: a source of examples, each made from nothing but a split and an index.

An example carries the facts that decide what it may be tested on (its colour-shape pairs, its template, its voice …),
so that "held out" is a statement a test can check by enumeration instead of a promise. Tensor2Tensor's registry of
problems (Vaswani et al. 2018, §3) is the model; files of prepared examples were rejected, for a problem that can be
called at any index needs no storage, resumes at once, and never repeats itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from omniloom.core.randomness import generator
from omniloom.core.registry import Registry
from omniloom.data.scenes import Scene
from omniloom.stream.message import WANTS, Message

Split = Literal["train", "new", "composed"]
SPLITS: tuple[Split, ...] = ("train", "new", "composed")
"""*new*: unseen renderings, voices, takes, templates. *composed*: parts each seen, never together."""

CELLS: tuple[str, ...] = tuple(f"{given}-to-{reply}" for given in WANTS for reply in WANTS)
"""The nine directions in which the model is scored: what the content is given in, and what the reply is in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A conversation whose last message is the reference reply, and how to judge another reply.

    `cell` is None where the content comes in two modalities at once. `facts` are "kind:value" strings; those of kinds
    `HELD_OUT_KINDS` never appear both in training and in the split that holds them out.
    """

    messages: tuple[Message, ...]
    cell: str | None
    task: str
    answer: str | Scene
    facts: tuple[str, ...] = ()

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages[:-1]

    @property
    def reply(self) -> Message:
        return self.messages[-1]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of example of a problem: its cell, and how often it is drawn beside the others."""

    name: str
    cell: str | None
    weight: float


@runtime_checkable
class Problem(Protocol):
    """A source of examples; the same (split, index, task) gives the same example everywhere."""

    name: str

    @property
    def tasks(self) -> tuple[Task, ...]: ...

    def example(self, split: Split, index: int, task: str | None = None) -> Example: ...


problems: Registry[Callable[..., Problem]] = Registry("problem")
"""Classes of problems by name; call one with its `Config`, or with nothing for the defaults."""

Builder = Callable[[np.random.Generator, Split], Example]


class WeightedTasks:
    """What the generated problems share: tasks named and weighted by the fields of a config, one builder for each.

    A subclass sets `name` and `cells` (task to cell) and has a method `_<task>(random, split) -> Example`.
    """

    name: str
    cells: ClassVar[Mapping[str, str | None]]

    def __init__(self, config: Any) -> None:
        self.config = config
        named = [field.name for field in fields(config) if field.name in self.cells]
        assert set(named) == set(self.cells), f"{self.name}: config and cells name different tasks"
        self.tasks = tuple(
            Task(name=name, cell=self.cells[name], weight=float(getattr(config, name))) for name in named
        )
        if any(task.weight < 0 for task in self.tasks):
            raise ValueError(f"task weights of {self.name} may not be negative, got {config}")

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The example at an index, of a task drawn by weight where none is named.

        Raises:
            ValueError: If the split or the task is unknown.
        """
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        if task is None:
            task = choose_task(self.tasks, generator(self.name, split, index, "task")).name
        if task not in self.cells:
            raise ValueError(f"{self.name} has no task {task!r}; it has {', '.join(self.cells)}")
        builder: Builder = getattr(self, f"_{task}")
        return builder(generator(self.name, split, index, task), split)

    def made(self, task: str, *, messages: Sequence[Message], answer: str | Scene, facts: Sequence[str]) -> Example:
        """An example of a task, with the cell that the task belongs to."""
        return Example(
            messages=tuple(messages), cell=self.cells[task], task=task, answer=answer, facts=tuple(dict.fromkeys(facts))
        )


def choose_task(tasks: Sequence[Task], random: np.random.Generator) -> Task:
    """One task, by weight."""
    weights = np.array([task.weight for task in tasks], dtype=np.float64)
    if weights.sum() <= 0:
        raise ValueError(f"every task has weight 0: {', '.join(task.name for task in tasks)}; give one a share")
    return tasks[int(random.choice(len(tasks), p=weights / weights.sum()))]
