"""A user's own conversations as a problem, so that they train beside or instead of the generated ones.

They are found once and parsed when they are asked for: a folder may hold more media than memory. A tenth of the
conversations, chosen by what they say, is kept for *new*; nothing can be *composed* of data that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omniloom.core.randomness import generator
from omniloom.data.chat_sources import ChatEntry, chat_entries
from omniloom.data.problems.base import Example, Split, Task, problems
from omniloom.data.problems.holdout import fraction
from omniloom.stream.parts import Text


@problems.register("chat_files")
class ChatFilesProblem:
    """Conversations from `.jsonl` files or `.tar` shards; see `data.chat_files` and `data.chat_shards`."""

    name = "chat_files"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """The folder (or one file), how often it is drawn from beside other tasks, and how much is kept for *new*."""

        folder: Path
        weight: float = 10.0
        new_share: float = 0.1

    def __init__(self, config: ChatFilesProblem.Config) -> None:
        self.config = config
        self.tasks = (Task(name="chat", cell=None, weight=config.weight),)
        self._entries: dict[Split, list[ChatEntry]] = {"train": [], "new": []}
        for entry, text in chat_entries(config.folder):
            is_new = fraction("chat", text.strip()) < config.new_share
            self._entries["new" if is_new else "train"].append(entry)
        if not self._entries["train"]:
            raise ValueError(
                f"{config.folder} holds no conversation to train on; add lines to its .jsonl files or samples to its "
                ".tar shards"
            )

    def num_conversations(self, split: Split) -> int:
        return len(self._of(split))

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The conversation at an index; every pass over them has an order of its own.

        Raises:
            ValueError: If it is bad, named by file and line or by shard and key, or there is no such split or task.
        """
        if task not in (None, "chat"):
            raise ValueError(f"{self.name} has no task {task!r}; it has chat")
        entries = self._of(split)
        epoch, number = divmod(index, len(entries))
        order = generator(self.name, split, epoch).permutation(len(entries))
        entry = entries[int(order[number])]
        messages = entry.conversation().messages
        answer = "".join(part.text for part in messages[-1].parts if isinstance(part, Text))
        return Example(messages=messages, cell=None, task="chat", answer=answer, facts=(f"place:{entry.place}",))

    def _of(self, split: Split) -> list[ChatEntry]:
        entries = self._entries.get(split)
        if not entries:
            raise ValueError(
                f"{self.config.folder} has no conversations of split {split!r}; it has 'train' and, from about ten "
                "conversations on, 'new'"
            )
        return entries
