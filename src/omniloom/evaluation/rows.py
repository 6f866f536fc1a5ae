"""What is scored as a number of its own: the twelve cells, every mixed task, what the model should not know, one task.

A cell draws among its tasks by their weights, as training does. A mixed task needs all of its inputs and belongs to no
cell. What is unknown is neither: its tasks are one group. A single task is scored where it is asked for by name: in a
cell it may have too few examples to say anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from omniloom.core.nearest import unknown_name
from omniloom.core.randomness import generator
from omniloom.data.problems import CELLS, Example, Problem, Split, Task
from omniloom.data.problems.base import choose_task
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Image, Part, Text, Video

RowKind = Literal["cell", "mixed", "unknown", "task"]

SEED_STRIDE = 1_000_000
"""Indices between the examples of one seed and those of the next."""

OWN_DATA_PROBLEM = "chat_files"

KINDS: dict[str, type[Part]] = {"text": Text, "audio": Audio, "image": Image, "video": Video}


class World(Protocol):
    """`data.problems.Mixture`, or a stand-in."""

    @property
    def problems(self) -> Mapping[str, Problem]: ...

    @property
    def tasks(self) -> tuple[Task, ...]: ...

    def example(self, split: Split, index: int, task: str | None = None) -> Example: ...

    def cell_example(self, cell: str, split: Split, index: int) -> Example: ...


@dataclass(frozen=True, kw_only=True)
class ScoredRow:
    """One row: its tasks, or a cell where there are none. `inputs` is empty where only an example tells."""

    name: str
    kind: RowKind
    inputs: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()

    def example(self, world: World, split: Split, index: int) -> Example:
        if not self.tasks:
            return world.cell_example(self.name, split, index)
        task = (
            choose_task(self.tasks, generator("row", self.name, split, index)) if len(self.tasks) > 1 else self.tasks[0]
        )
        return world.example(split, index, task.name)


def rows_of(
    world: World, *, cells: Sequence[str] | None = None, tasks: Sequence[str] | None = None
) -> tuple[ScoredRow, ...]:
    """The rows of these cells and single tasks; where neither is named, every cell, mixed task and group.

    Raises:
        ValueError: If a cell or a task is unknown, or a list is empty.
    """
    for kind, chosen in (("cells", cells), ("tasks", tasks)):
        if chosen is not None and not chosen:
            raise ValueError(f"{kind} must name at least one, got none")
    if unknown := [name for name in cells or () if name not in CELLS]:
        raise ValueError(f"cells must be of {', '.join(CELLS)}, got {', '.join(unknown)}")
    if cells is None and tasks is None:
        return (*map(_cell_row, CELLS), *_special_rows(world))
    return (*map(_cell_row, cells or ()), *(_task_row(world, name) for name in tasks or ()))


def inputs_of(example: Example) -> tuple[str, ...]:
    """The modalities of the last turn."""
    last = example.prompt[-1]
    return tuple(name for name, kind in KINDS.items() if any(isinstance(part, kind) for part in last.parts))


def output_of(example: Example) -> str:
    """What the reply is in: "text", "audio", "image", or "audio+image"."""
    return "+".join(sorted(wanted_of(example.reply)))


def has_video(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, Video) for message in messages for part in message.parts)


def _cell_row(cell: str) -> ScoredRow:
    return ScoredRow(name=cell, kind="cell", inputs=(cell.partition("-to-")[0],))


def _special_rows(world: World) -> list[ScoredRow]:
    """The mixed tasks and the groups of the generated world."""
    own_data = world.problems.get(OWN_DATA_PROBLEM)
    own = {task.name for task in own_data.tasks} if own_data is not None else set()
    tasks = [task for task in world.tasks if task.cell is None and task.weight > 0 and task.name not in own]
    groups: dict[str, tuple[Task, ...]] = {}
    for task in tasks:
        if task.group is not None:
            groups[task.group] = (*groups.get(task.group, ()), task)
    return [
        *(
            ScoredRow(name=task.name, kind="mixed", inputs=task.inputs, tasks=(task,))
            for task in tasks
            if task.group is None
        ),
        *(ScoredRow(name=name, kind="unknown", tasks=members) for name, members in groups.items()),
    ]


def _task_row(world: World, name: str) -> ScoredRow:
    known = {task.name: task for task in world.tasks}
    if name not in known:
        raise unknown_name("task", name, known)
    task = known[name]
    inputs = task.inputs if task.cell is None else (task.cell.partition("-to-")[0],)
    return ScoredRow(name=name, kind="task", inputs=inputs, tasks=(task,))
