"""Which tasks are run: by name, by pattern, by a user's own file; without a word, those of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from omniloom.core.nearest import unknown_name
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.evaluation.few_shot.task import few_shot_tasks
from omniloom.evaluation.few_shot.tasks import ARITHMETIC, SCRAMBLES

PAPER = (
    *(task.name for task in (*ARITHMETIC, *SCRAMBLES)),
    *("cloze", "novel-words", "analogies", "en-fr", "fr-en", "piqa", "winogender"),
)
"""What GPT-3 was measured on and what is free to be regenerated or read."""


def chosen_tasks(patterns: Sequence[str]) -> list[str]:
    """The names that match, in the order of the patterns, each once; "bbh-*" is a pattern, "2D+" a name.

    Raises:
        ValueError: If nothing matches one.
    """
    if not patterns:
        return list(PAPER)
    found: dict[str, None] = {}
    for pattern in patterns:
        names = [name for name in few_shot_tasks if name == pattern or fnmatchcase(name, pattern)]
        if not names:
            raise unknown_name(few_shot_tasks.kind, pattern, few_shot_tasks)
        found |= dict.fromkeys(names)
    return list(found)


def load_task_file(path: str | Path) -> list[str]:
    """Run a user's file, which files its tasks by `add_task`; their names.

    Raises:
        ValueError: If it is no Python file, or fails, or files none.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"{path} is no Python file; give one that calls add_task")
    known = set(few_shot_tasks)
    run_user_file(path)
    added = [name for name in few_shot_tasks if name not in known]
    if not added:
        raise ValueError(f"{path} adds no task; call omniloom.evaluation.few_shot.add_task(Task(...)) in it")
    return added
