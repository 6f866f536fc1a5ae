"""One wording for every unknown name: what was asked, what is nearest, what there is.

Options, configuration fields, registered problems and recipes all fail through here, so that a typing slip always gets
the same kind of answer. difflib's ratio is enough for names of this length; an edit distance was no better on ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_NAMES_SHOWN = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where nothing is alike."""
    names = sorted(known)
    by_folded = {item.casefold(): item for item in names}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    if found:
        return by_folded[found[0]]
    # A path's last word alone may be right: "learning_rate" for "optimizer.learning_rate".
    tails = [item for item in names if item.rpartition(".")[2] == name.rpartition(".")[2]]
    return tails[0] if tails else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is not there, naming the nearest one or, where none is near, those there are."""
    names = sorted(known)
    best = nearest(name, names)
    if best is not None:
        return ValueError(f"unknown {kind} {name!r}; did you mean {best!r}?")
    shown = ", ".join(names[:MAX_NAMES_SHOWN]) + (", …" if len(names) > MAX_NAMES_SHOWN else "")
    return ValueError(f"unknown {kind} {name!r}; there are: {shown or 'none'}")
