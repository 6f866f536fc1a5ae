"""Names for things that are written in many files and chosen by a user: problems, recipes, commands.

A registry is a dictionary that refuses a second owner for a name and answers an unknown one with the nearest. It holds
values as they are; importing the module that registers them is the caller's business, so nothing is scanned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from omniloom.core.nearest import unknown_name

T = TypeVar("T")
V = TypeVar("V")


class Registry(Generic[T]):
    """Values of one kind by name, in the order they were registered."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._values: dict[str, T] = {}

    def register(self, name: str) -> Callable[[V], V]:
        """A decorator that files what it decorates under `name`.

        Raises:
            ValueError: If the name is taken by something else.
        """

        def file_under_name(value: V) -> V:
            self.add(name, value)  # type: ignore[arg-type]
            return value

        return file_under_name

    def add(self, name: str, value: T) -> None:
        """File a value; the same one may come twice, as when a module is reloaded."""
        if name in self._values and self._values[name] is not value:
            raise ValueError(f"{self.kind} {name!r} is already registered; choose another name")
        self._values[name] = value

    def get(self, name: str) -> T:
        """The value under `name`.

        Raises:
            ValueError: If there is none; it names the nearest.
        """
        if name not in self._values:
            raise unknown_name(self.kind, name, self._values)
        return self._values[name]

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
