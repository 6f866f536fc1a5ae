"""Holds every public tensor to the shape in its signature while the tests run.

pytest puts `shapes_only` under all of omniloom (`--jaxtyping-packages`). It leaves plain annotations to mypy, which
reads them without running anything: beartype would refuse our protocols, and checking them all doubled the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beartype import beartype

SHAPED = re.compile(r"\b(Float|Float32|Int|Integer|Bool|UInt8|Shaped|Num|Inexact|Real)\[")

SELF_CHECKED = ("omniloom.stream.parts",)
"""Modules that take arrays from users and refuse bad shapes themselves, which is what their tests are about."""


def shapes_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the annotations that carry shapes, and no others."""
    if function.__module__ in SELF_CHECKED:
        return function
    kept = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    if not kept:
        return function
    function.__annotations__ = kept
    return beartype(function)


def _has_shape(hint: Any) -> bool:
    return SHAPED.search(hint if isinstance(hint, str) else repr(hint)) is not None
