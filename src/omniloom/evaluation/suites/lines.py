"""A file of JSON lines that one run reads, goes on with, and appends to: what finished items are kept in.

A line is in the file when `append` returns. A last line that was torn by a full disk or a pulled plug is cut off, but
only after the caller has seen that the file is its own. Two runs that append to one file would answer everything twice
and tear each other's lines, so the one that finds what it did not write itself stops. A lock that is held for a whole
run was rejected: it keeps a second reader in the same process out, and not every network disk has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Lines:
    """The lines of a file; `whole` are those that ended, `torn` is what stands behind them."""

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            ValueError: If it is no file of text.
        """
        self.path = Path(path)
        data = self.path.read_bytes() if self.path.exists() else b""
        end = data.rfind(b"\n") + 1
        self.whole = data[:end].decode("utf-8", errors="replace").split("\n")[:-1]
        self.torn = data[end:]
        self._num_whole_bytes, self._num_bytes = end, len(data)

    def cut(self) -> None:
        """Cut off what was torn, for the next line would be glued to it."""
        if self.torn:
            with self.path.open("r+b") as file:
                file.truncate(self._num_whole_bytes)
            self.torn, self._num_bytes = b"", self._num_whole_bytes

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """
        Raises:
            ValueError: If another process has written to the file meanwhile, or it cannot be written.
        """
        data = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        # Half a surrogate pair, which an endpoint may send, is no UTF-8: it is kept as a question mark.
        told = data.encode("utf-8", errors="replace")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered and in one write, so that a signal or another process cannot come between two halves of a line.
            with self.path.open("ab", buffering=0) as file:
                if file.tell() != self._num_bytes:
                    raise ValueError(
                        f"{self.path} was written by another process meanwhile; let that one finish, and then run "
                        "this again, or give another --results"
                    )
                if file.write(told) < len(told):
                    raise OSError(0, "no room for a whole line")
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be written: {error.strerror or error}; what was finished before stands there "
                "and is not asked again: make room, or see to the folder, and run the same command"
            ) from error
        self._num_bytes += len(told)
