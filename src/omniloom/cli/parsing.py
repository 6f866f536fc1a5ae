"""argparse with our errors: one line that names the value and the remedy, in place of usage and a list."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from omniloom.core.arguments import positive_int as positive_int
from omniloom.core.nearest import nearest, unknown_name


class Parser(argparse.ArgumentParser):
    """A parser that raises ValueError, and answers an unknown option with the nearest."""

    def __init__(self, **settings: Any) -> None:
        # Abbreviations would make every new option able to break a script that is in use.
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self.refuse(rest[0])
        return found

    def refuse(self, argument: str) -> NoReturn:
        """Raise the error for an argument that nothing takes."""
        name = argument.partition("=")[0]
        if not name.startswith("-"):
            raise ValueError(f"unexpected argument {argument!r}; put a text of several words in quotes")
        raise unknown_name("option", name, self.option_names())

    def option_names(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """argparse's own message in our form, with the nearest choice where a choice was wrong."""
        if "the following arguments are required" in message:
            missing = message.partition(": ")[2]
            raise ValueError(f"{missing} is missing; see {self.prog} --help")
        raise ValueError(f"{message.removeprefix('argument ')}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = nearest(str(value), choices)
            remedy = f"; did you mean {hint!r}?" if hint else ""
            name = "/".join(action.option_strings) or action.metavar or action.dest
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}{remedy}")


BYTE_UNITS = {"": 1, "b": 1} | {
    prefix + unit: base**power
    for power, prefix in enumerate("kmgt", start=1)
    for unit, base in (("b", 1000), ("ib", 1024), ("", 1024))
}


def byte_size(text: str) -> int:
    """A number of bytes for `type=`: 1073741824, 1GiB, 1.5G (of 1024s) or 500MB (of 1000s)."""
    found = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    size = int(float(found[1]) * BYTE_UNITS.get(found[2], 0)) if found else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"must be a size such as 1GiB, 500MB or 1073741824, got {text!r}")
    return size


def settings(pairs: Sequence[str]) -> dict[str, str]:
    """`path=value` texts as a dictionary.

    Raises:
        ValueError: If one has no `=`, or a path is set twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        if not equals or not path:
            raise ValueError(f"--set takes path=value, got {pair!r}")
        if path.strip() in found:
            raise ValueError(f"--set gives {path} twice; give it once")
        found[path.strip()] = value
    return found
