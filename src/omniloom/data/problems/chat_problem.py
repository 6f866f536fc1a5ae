"""A folder of a user's own conversations as a problem, so that it trains beside or instead of the generated ones.

Lines are found once and parsed when they are asked for: a folder may hold more media than memory. A tenth of the
conversations, chosen by what they say, is kept for *new*; nothing can be *composed* of data that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omniloom.core.randomness import generator
from omniloom.data.chat_files import chat_file_paths, parse_chat
from omniloom.data.problems.base import Example, Split, Task, problems
from omniloom.data.problems.holdout import fraction
from omniloom.stream.parts import Text


@dataclass(frozen=True)
class Line:
    """Where a conversation stands."""

    path: Path
    number: int
    start: int
    stop: int


@problems.register("chat_files")
class ChatFilesProblem:
    """Conversations from the `.jsonl` files of a folder; see `data.chat_files` for their shape."""

    name = "chat_files"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """The folder, how often its conversations are drawn beside other tasks, and how many are kept for *new*."""

        folder: Path
        weight: float = 10.0
        new_share: float = 0.1

    def __init__(self, config: ChatFilesProblem.Config) -> None:
        self.config = config
        self.tasks = (Task(name="chat", cell=None, weight=config.weight),)
        self._lines: dict[Split, list[Line]] = {"train": [], "new": []}
        for path in chat_file_paths(config.folder):
            self._find_lines(path)
        if not self._lines["train"]:
            raise ValueError(f"{config.folder} holds no conversation to train on; add lines to its .jsonl files")

    def num_conversations(self, split: Split) -> int:
        return len(self._of(split))

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The conversation at an index; every pass over them has an order of its own.

        Raises:
            ValueError: If the line is bad, named by file and line, or there is no such split or task.
        """
        if task not in (None, "chat"):
            raise ValueError(f"{self.name} has no task {task!r}; it has chat")
        lines = self._of(split)
        epoch, place = divmod(index, len(lines))
        order = generator(self.name, split, epoch).permutation(len(lines))
        line = lines[int(order[place])]
        with line.path.open("rb") as file:
            file.seek(line.start)
            text = file.read(line.stop - line.start)
        messages = parse_chat(text, folder=line.path.parent, place=f"{line.path}:{line.number}").messages
        answer = "".join(part.text for part in messages[-1].parts if isinstance(part, Text))
        return Example(
            messages=messages, cell=None, task="chat", answer=answer, facts=(f"line:{line.path}:{line.number}",)
        )

    def _of(self, split: Split) -> list[Line]:
        lines = self._lines.get(split)
        if not lines:
            raise ValueError(
                f"{self.config.folder} has no conversations of split {split!r}; it has 'train' and, from about ten "
                "conversations on, 'new'"
            )
        return lines

    def _find_lines(self, path: Path) -> None:
        start = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                stop = start + len(line)
                if line.strip():
                    split: Split = "new" if fraction("chat", line.strip()) < self.config.new_share else "train"
                    self._lines[split].append(Line(path, number, start, stop))
                start = stop
