"""The world: every problem, and how much of each, in one table; and the twelve cells it is scored in.

Weights of all tasks of all problems are comparable: the share of a task is its weight over the sum of all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from omniloom.core.randomness import generator
from omniloom.data.problems.base import CELLS, Example, Problem, Split, Task, choose_task, problems
from omniloom.data.problems.chat_problem import ChatFilesProblem
from omniloom.data.problems.dialogues import DialoguesProblem
from omniloom.data.problems.digits import DigitsProblem
from omniloom.data.problems.emoji import EmojiProblem
from omniloom.data.problems.films import FilmsProblem
from omniloom.data.problems.pairs.mixed import PairsProblem
from omniloom.data.problems.scenes_problem import ScenesProblem
from omniloom.data.problems.speech_problem import SpeechProblem
from omniloom.data.problems.sums import SumsProblem
from omniloom.data.problems.unknown import UnknownProblem
from omniloom.stream.parts import Audio, Video

EARLIER_TASKS = frozenset({"draw_typed", "sum_text", "ask_text", "draw_emoji_typed"})
"""Tasks whose turns are short enough to stand before another one."""


@dataclass(frozen=True, kw_only=True)
class WorldMix:
    """How much of each task there is; `None` leaves a problem out."""

    scenes: ScenesProblem.Config | None = ScenesProblem.Config()
    speech: SpeechProblem.Config | None = SpeechProblem.Config()
    sums: SumsProblem.Config | None = SumsProblem.Config()
    digits: DigitsProblem.Config | None = DigitsProblem.Config()
    films: FilmsProblem.Config | None = FilmsProblem.Config()
    emoji: EmojiProblem.Config | None = EmojiProblem.Config()
    dialogues: DialoguesProblem.Config | None = DialoguesProblem.Config()
    unknown: UnknownProblem.Config | None = UnknownProblem.Config()
    chat_files: ChatFilesProblem.Config | None = None
    pairs: PairsProblem.Config | None = None
    dropped_prompts: float = 0.06
    """Share of drawings learned without their prompt, which guidance needs at generation time."""
    earlier_turns: float = 0.12
    """Share of short training examples that come after a turn that has nothing to do with them."""

    def __post_init__(self) -> None:
        for name in ("dropped_prompts", "earlier_turns"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be a share in [0, 1), got {getattr(self, name)}")

    @classmethod
    def only(cls, **chosen: Any) -> WorldMix:
        """A mix of the problems that are given, by their configs, and no others."""
        return cls(**{field.name: None for field in fields(cls) if field.name in problems.names()} | chosen)


class Mixture:
    """The problems of a mix as one: an example's problem and task depend on its index alone."""

    name = "world"

    def __init__(self, mix: WorldMix | None = None) -> None:
        mix = mix or WorldMix()
        self.earlier_turns = mix.earlier_turns
        self.problems: dict[str, Problem] = {}
        for field in fields(mix):
            config = getattr(mix, field.name)
            if field.name in problems.names() and config is not None:
                self.problems[field.name] = problems.get(field.name)(config)
        self.tasks: tuple[Task, ...] = tuple(task for problem in self.problems.values() for task in problem.tasks)
        self._owners = {task.name: problem for problem in self.problems.values() for task in problem.tasks}
        assert len(self._owners) == len(self.tasks), "two problems have a task of one name"
        self._earlier = tuple(task for task in self.tasks if task.name in EARLIER_TASKS and task.weight > 0)

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The example at an index; where no task is named, of one drawn by weight, at times after another subject."""
        if task is None:
            drawn = choose_task(self.tasks, generator(self.name, split, index)).name
            return self._after_another(self.example(split, index, drawn), split, index)
        if task not in self._owners:
            raise ValueError(f"no problem of this mix has a task {task!r}; there are {', '.join(self._owners)}")
        return self._owners[task].example(split, index, task)

    def _after_another(self, example: Example, split: Split, index: int) -> Example:
        """The example, or a share of those that are one short turn after a typed turn of another subject.

        Otherwise every earlier turn in training is one that the next points back to, and a model looks there for what
        it is asked whatever that is.
        """
        random = generator(self.name, "earlier", split, index)
        is_short = len(example.messages) == 2 and not any(
            isinstance(part, Video) or (message.role == "assistant" and isinstance(part, Audio))
            for message in example.messages
            for part in message.parts
        )
        is_own = self._owners[example.task].name == ChatFilesProblem.name
        if split != "train" or not self._earlier or is_own or not is_short or random.random() >= self.earlier_turns:
            return example
        task = choose_task(self._earlier, random).name
        earlier = self._owners[task].example(split, int(random.integers(2**31)), task)
        turns = (*earlier.messages[:2], *example.messages)
        return replace(example, messages=turns, facts=(*example.facts, *earlier.facts))

    def cell_example(self, cell: str, split: Split, index: int) -> Example:
        """The example at an index of one cell, its task drawn by weight among those of the cell."""
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        tasks = [task for task in self.tasks if task.cell == cell]
        if not tasks:
            raise ValueError(f"no problem of this mix has a task in cell {cell}")
        return self.example(split, index, choose_task(tasks, generator(self.name, cell, split, index)).name)


def cell_example(cell: str, split: Split, index: int) -> Example:
    """The example at an index of one cell of the standard world."""
    return Mixture().cell_example(cell, split, index)


def cell_examples(cell: str, split: Split, count: int) -> list[Example]:
    """The first examples of one cell of the standard world: what it is scored on."""
    world = Mixture()
    return [world.cell_example(cell, split, index) for index in range(count)]
