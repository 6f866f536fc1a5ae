"""Finished items, a JSON line each, written as they finish: what a stopped evaluation goes on from.

The first line says of what suite, subject and settings they are, and a file of others is refused with what differs: an
answer is never taken for another model's. How many items are asked is no setting, so a larger limit goes on from a
smaller one. A database was rejected: a line is read by every tool, and one that was torn by a full disk or a pulled
plug is cut off and asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omniloom.core.progress import Progress
from omniloom.evaluation.suites.lines import Lines

FORMAT = "omniloom items 1"

Value = Mapping[str, Any]
"""What is kept of an item: plain JSON."""


class Items:
    """The finished items of a file, or of this run alone where there is none, by their keys."""

    def __init__(self, path: str | Path | None, *, suite: str, subject: str, settings: Mapping[str, Any]) -> None:
        """`settings` is all that an item's value depends on, the seed among it, in plain JSON.

        Raises:
            ValueError: If the file is another evaluation's, or damaged elsewhere than at its end.
        """
        self.path = None if path is None else Path(path)
        self._head = {"format": FORMAT, "suite": suite, "subject": subject, "settings": dict(settings)}
        self._found: dict[str, Value] = {}
        self._is_begun = False
        self._lines = None if path is None else Lines(path)
        if self._lines is not None:
            self._read(self._lines)
        self.num_kept = len(self._found)
        self.num_asked = 0

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Value:
        return self._found[key]

    def get(self, key: str) -> Value | None:
        return self._found.get(key)

    def starting_with(self, prefix: str) -> dict[str, Value]:
        """Those whose keys begin so."""
        return {key: value for key, value in self._found.items() if key.startswith(prefix)}

    def add(self, key: str, value: Value) -> None:
        """Keep one more; it is in the file when this returns."""
        lines = [] if self._is_begun else [self._head]
        self._append([*lines, {"key": key, "value": value}])
        self._found[key] = value
        self.num_asked += 1

    def complete(
        self,
        keys: Sequence[str],
        compute: Callable[[list[int]], Iterator[tuple[int, Value]]],
        *,
        title: str,
        unit: str = "item",
    ) -> list[Value]:
        """The values of these keys in their order, those that are missing computed, kept one by one, and shown.

        `compute` is given the missing keys' places and yields place and value in any order, so that it may batch them.

        Raises:
            ValueError: If a key comes twice, or `compute` leaves one out.
        """
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"item {twice!r} comes twice; give every item a key of its own")
        missing = [place for place, key in enumerate(keys) if key not in self]
        with Progress(title, total=len(keys), unit=unit, done=len(keys) - len(missing)) as progress:
            for place, value in compute(missing) if missing else ():
                self.add(keys[place], value)
                progress.advance()
        if left := [key for key in keys if key not in self]:
            raise ValueError(f"{title}: {len(left)} items have no value, {left[0]!r} among them")
        return [self[key] for key in keys]

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if self._lines is not None:
            self._lines.append(lines)
        self._is_begun = True

    def _read(self, lines: Lines) -> None:
        if lines.whole:
            _check(lines.path, _head_of(lines), self._head)
            self._is_begun = True
        # A first line that was torn, or an empty file that somebody made; anything else is not ours to write over.
        elif not json.dumps(self._head, ensure_ascii=False).encode().startswith(lines.torn):
            raise ValueError(f"{lines.path} is no file of finished items; give another --results")
        self._found.update(_values_of(lines))
        lines.cut()


def read_items(path: str | Path, *, suite: str) -> dict[str, Value]:
    """The finished items of a suite's file by their keys, for whoever looks at them afterwards; it is left as it is.

    Raises:
        ValueError: If there is no such file, it is damaged elsewhere than at its end, or another suite's.
    """
    lines = Lines(path)
    if not lines.whole:
        raise ValueError(f"{path} holds no finished items; give the --results of an evaluation")
    head = _head_of(lines)
    _check(lines.path, {"suite": head.get("suite")}, {"suite": suite})
    return _values_of(lines)


def _head_of(lines: Lines) -> dict[str, Any]:
    try:
        head = json.loads(lines.whole[0])
        is_ours = head["format"] == FORMAT
    except (ValueError, TypeError, KeyError):
        is_ours = False
    if not is_ours:
        raise ValueError(
            f"{lines.path} is no file of finished items, or its first line is damaged; give another --results"
        )
    return dict(head)


def _values_of(lines: Lines) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for number, line in enumerate(lines.whole[1:], start=2):
        try:
            entry = json.loads(line)
            found[str(entry["key"])] = dict(entry["value"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{lines.path} is damaged at line {number} ({error}); delete that line, and its item is asked again"
            ) from error
    return found


def _check(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse what is of another evaluation, with what differs."""
    # Through JSON, so that a tuple equals the list that it is written as.
    ours = json.loads(json.dumps(now))
    differing = [f"{name} was {was!r} and is {own!r}" for name, was, own in _differences(then, ours)]
    if differing:
        raise ValueError(
            f"{path} holds the items of another evaluation: {'; '.join(differing)}; give another --results"
        )


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, old and new value of what differs, settings one by one."""
    flat_then, flat_now = _flat(then), _flat(now)
    names = dict.fromkeys([*flat_now, *flat_then])
    return [
        (name, flat_then.get(name), flat_now.get(name)) for name in names if flat_then.get(name) != flat_now.get(name)
    ]


def _flat(head: Mapping[str, Any]) -> dict[str, Any]:
    settings = head.get("settings", {})
    return {name: value for name, value in head.items() if name != "settings"} | dict(settings)
