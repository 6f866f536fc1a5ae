"""Limits by name: for the command line, and for the table of the documentation.

Names, defaults and words are read from the source of `Limits`, so that a new limit is on both without being told again.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields

from omniloom.core.nearest import unknown_name
from omniloom.serving.realtime.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Described:
    """One field of `Limits`: its name, what it is by default, and what it bounds."""

    name: str
    default: int | float
    what: str


def described() -> list[Described]:
    """Every limit in its order, with the words that stand below it in the source."""
    found: list[Described] = []
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(Limits))).body
    assert isinstance(body, ast.ClassDef)
    words = {
        before.target.id: " ".join(str(after.value.value).split())
        for before, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
    for field in fields(Limits):
        found.append(Described(name=field.name, default=field.default, what=words[field.name]))  # type: ignore[arg-type]
    return found


def limits_from(pairs: Sequence[str]) -> Limits:
    """Limits with those changed that `name=number` texts give.

    Raises:
        ValueError: If a name is unknown or given twice, or a number is none.
    """
    known = {limit.name: limit.default for limit in described()}
    changed: dict[str, int | float] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if name not in known:
            raise unknown_name("limit", name, list(known))
        if not equals or name in changed:
            raise ValueError(f"--limit {pair}: write {name}=NUMBER, once")
        kind = type(known[name])
        try:
            changed[name] = kind(text.replace("_", "").replace(",", ""))
        except ValueError:
            changed[name] = -1
        # Only a rate may be 0, which is no rate.
        if not changed[name] >= (0 if name.endswith("_per_minute") or kind is float else 1):
            number = "a number" if kind is float else "a whole number"
            raise ValueError(f"--limit {name} takes {number} above 0, got {text!r}")
    return Limits(**changed)  # type: ignore[arg-type]
