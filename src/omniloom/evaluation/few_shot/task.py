"""What a few-shot task is: where its items come from, how they are written, answered and judged.

An item holds its text as the prompt shows it, byte by byte, so a task's format is read in its own file and nowhere
else; there is no template language, which would be one more thing to learn and would hide where a newline comes from.
GPT-3's three settings (Brown and others 2020, section 2) differ only in how many solved items stand before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from omniloom.core.registry import Registry
from omniloom.evaluation.few_shot.metrics import ACCURACY, Metric
from omniloom.evaluation.few_shot.models.base import Medium
from omniloom.evaluation.few_shot.models.media import MEDIUM, told

Split = Literal["train", "test"]
"""Demonstrations are drawn from "train"; "test" is what is scored."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question with its answers, as the prompt shows them.

    `context` ends where the answer begins, and an answer holds what stands between them: "Q: 1 + 1?\\nA:" and " 2". The
    first of the `answers` is shown where the item is a demonstration. Of `options` one is an answer. `alone` replaces
    the context where nothing is demonstrated, for the tasks that have a form of their own for that. Scores are also
    reported by `group` where there are any. Where an item is of a `mapping`, its demonstrations are of the same.
    The context has a mark (`MEDIUM`) for each of the `media` in it: sounds, pictures, videos.
    """

    context: str
    answers: tuple[str, ...]
    options: tuple[str, ...] = ()
    alone: str | None = None
    group: str = ""
    mapping: str = ""
    media: tuple[Medium, ...] = ()

    @property
    def told(self) -> str:
        """The context, and what tells its media from others."""
        return told(self.context, self.media)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Answered by the likeliest option.

    By "per-token" each option's log-probability is divided by its tokens, by "whole" it is taken as it is (what
    lm-evaluation-harness calls acc); by "normalised" the log-probability that it
    has after `answer_context` alone is subtracted: P(option | context) / P(option | "Answer: ").
    """

    scoring: Literal["per-token", "whole", "normalised"] = "per-token"
    answer_context: str = "Answer:"


@dataclass(frozen=True, kw_only=True)
class FreeForm:
    """Answered in the model's own words, up to the first of `stops` or `max_tokens`.

    `read` finds the answer in what was written, and in the item's own answers; both are then compared by the `metric`.
    """

    stops: tuple[str, ...] = ("\n",)
    max_tokens: int = 32
    read: Callable[[str], str] = str.strip
    metric: Metric = field(default=ACCURACY)


@dataclass(frozen=True, kw_only=True)
class Task:
    """`instruction` opens the prompt, `separator` stands between items, `shots` is what few-shot means here.

    `load` is called when the task is run and may read files; it gives the same items every time. So is an instruction
    that is a function.
    """

    name: str
    load: Callable[[Split], Sequence[Item]]
    answering: Options | FreeForm
    instruction: str | Callable[[], str] = ""
    separator: str = ""
    shots: int = 10

    def items(self, split: Split) -> list[Item]:
        """The items of a split.

        Raises:
            ValueError: If there are none to score, or one has no answer, or its options do not hold one.
        """
        found = list(self.load(split))
        if not found and split == "test":
            raise ValueError(f"task {self.name} has no {split} items; see what its load({split!r}) reads")
        for number, item in enumerate(found):
            self._check(item, f"item {number} of {split} of task {self.name}, {item.context[-60:]!r},")
        return found

    def opening(self) -> str:
        """The instruction."""
        return self.instruction if isinstance(self.instruction, str) else self.instruction()

    def _check(self, item: Item, named: str) -> None:
        if not item.answers or not all(answer.strip() for answer in item.answers):
            raise ValueError(f"{named} has no answer; give at least one that is not empty, or leave the item out")
        for context in [item.context, item.alone or item.context] if item.media else []:
            if context.count(MEDIUM) != len(item.media):
                raise ValueError(
                    f"{named} has {context.count(MEDIUM)} marks ({MEDIUM!r}) for {len(item.media)} media; write one "
                    "for each"
                )
        if not isinstance(self.answering, Options):
            return
        if len(set(item.options)) < 2 or len(set(item.options)) < len(item.options):
            raise ValueError(f"{named} needs at least two different options, got {list(item.options)}")
        if not set(item.answers) <= set(item.options):
            raise ValueError(f"{named} has an answer that is no option: {list(item.answers)}; add it to the options")


few_shot_tasks: Registry[Task] = Registry("few-shot task")
"""Every task by its name; those of this package are filed when `few_shot` is imported."""


def add_task(task: Task) -> Task:
    """File a task under its name, so that it can be run by it."""
    few_shot_tasks.add(task.name, task)
    return task
