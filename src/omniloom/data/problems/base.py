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
from omniloom.data.emoji import Drawing
from omniloom.data.scenes import Scene
from omniloom.stream.message import WANTS, Message

Split = Literal["train", "new", "composed"]
SPLITS: tuple[Split, ...] = ("train", "new", "composed")
"""*new*: unseen renderings, voices, takes, templates. *composed*: parts each seen, never together."""

GIVEN: tuple[str, ...] = (*WANTS, "video")
"""What content may be given in."""

HISTORY = "history"
"""The turns before the last, as an input of their own: their words tell what their pictures show."""

Answer = str | Scene | Drawing
"""What is right: words, or what a picture shows."""

CELLS: tuple[str, ...] = tuple(f"{given}-to-{reply}" for given in GIVEN for reply in WANTS)
"""The twelve directions in which the model is scored: what the content is given in, and what the reply is in."""


HEARD_MARK = ":"
"""In a reply, between the request that was heard and the answer to it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A conversation whose last message is the reference reply, and how to judge another reply.

    `cell` is None where the content comes in two modalities at once, or none of it is known. `facts` are "kind:value"
    strings; those of kinds `HELD_OUT_KINDS` never appear both in training and in the split that holds them out. Where
    `judged_after` is set, a reply is judged by what comes after the last of it, as a word or a mark, and whole where it
    has none.
    """

    messages: tuple[Message, ...]
    cell: str | None
    task: str
    answer: Answer
    facts: tuple[str, ...] = ()
    judged_after: str | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages[:-1]

    @property
    def reply(self) -> Message:
        return self.messages[-1]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of example of a problem: its cell, and how often it is drawn beside the others.

    A task of no cell is *mixed*, and `inputs` are what its answer needs together (modalities of the last turn, and
    `HISTORY`), or it is scored with the others of its `group`.
    """

    name: str
    cell: str | None
    weight: float
    inputs: tuple[str, ...] = ()
    group: str | None = None


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

    A subclass sets `name` and `cells` (task to cell) and has a method `_<task>(random, split) -> Example`. Its mixed
    tasks are those with `inputs`; `group` names what its tasks of no cell are scored as.
    """

    name: str
    cells: ClassVar[Mapping[str, str | None]]
    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    group: ClassVar[str | None] = None

    def __init__(self, config: Any) -> None:
        self.config = config
        named = [field.name for field in fields(config) if field.name in self.cells]
        assert set(named) == set(self.cells), f"{self.name}: config and cells name different tasks"
        self.tasks = tuple(self._task(name) for name in named)
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

    def made(
        self,
        task: str,
        *,
        messages: Sequence[Message],
        answer: Answer,
        facts: Sequence[str],
        judged_after: str | None = None,
    ) -> Example:
        """An example of a task, with the cell that the task belongs to."""
        return Example(
            messages=tuple(messages),
            cell=self.cells[task],
            task=task,
            answer=answer,
            facts=tuple(dict.fromkeys(facts)),
            judged_after=judged_after,
        )

    def _task(self, name: str) -> Task:
        cell, inputs = self.cells[name], self.inputs.get(name, ())
        assert not (cell and inputs) and set(inputs) <= {*GIVEN, HISTORY}, (
            f"{name} has a cell or inputs, got {cell}, {inputs}"
        )
        group = None if cell or inputs else self.group
        return Task(name=name, cell=cell, weight=float(getattr(self.config, name)), inputs=inputs, group=group)


def choose_task(tasks: Sequence[Task], random: np.random.Generator) -> Task:
    """One task, by weight."""
    weights = np.array([task.weight for task in tasks], dtype=np.float64)
    if weights.sum() <= 0:
        raise ValueError(f"every task has weight 0: {', '.join(task.name for task in tasks)}; give one a share")
    return tasks[int(random.choice(len(tasks), p=weights / weights.sum()))]
