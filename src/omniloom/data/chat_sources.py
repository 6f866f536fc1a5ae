"""Where a user's conversations stand: lines of `.jsonl` files and samples of `.tar` shards, found once.

Each is named by its place and read when it is asked for, one at a time and in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from omniloom.data.chat_files import Conversation, files_in, parse_chat
from omniloom.data.chat_shards import Shard

SUFFIXES = (".jsonl", ".tar")


class ChatEntry(Protocol):
    """One conversation where it stands."""

    @property
    def place(self) -> str:
        """What an error calls it: file and line, or shard and key."""

    def conversation(self) -> Conversation:
        """The conversation with its media; ValueError if it is bad, beginning with the place."""


@dataclass(frozen=True)
class Line:
    """A conversation of a file of lines."""

    path: Path
    number: int
    start: int
    stop: int

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"

    def conversation(self) -> Conversation:
        with self.path.open("rb") as file:
            file.seek(self.start)
            text = file.read(self.stop - self.start)
        return parse_chat(text, media=files_in(self.path.parent), place=self.place)


def chat_entries(source: str | Path) -> Iterator[tuple[ChatEntry, bytes]]:
    """Every conversation of a folder or file, in order, each with its JSON.

    Raises:
        ValueError: If there are no such files, or a shard is torn.
    """
    for path in chat_paths(source):
        if path.suffix == ".tar":
            yield from ((sample, sample.read()) for sample in Shard.open(path).samples)
        else:
            yield from _lines(path)


def chat_paths(source: str | Path) -> Sequence[Path]:
    """The files of lines and the shards of a folder, by name; or the one file that is given.

    Raises:
        ValueError: If there are none.
    """
    source = Path(source)
    if source.is_file():
        if source.suffix not in SUFFIXES:
            raise ValueError(f"{source} is neither a .jsonl file nor a .tar shard; give one, or a folder of them")
        return [source]
    paths = sorted(path for suffix in SUFFIXES for path in source.glob(f"*{suffix}"))
    if not paths:
        raise ValueError(f"{source} holds no .jsonl file and no .tar shard; put conversations there, one a line")
    return paths


def _lines(path: Path) -> Iterator[tuple[Line, bytes]]:
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            stop = start + len(line)
            if line.strip():
                yield Line(path, number, start, stop), line
            start = stop
