"""Every suite by its name. Each is one file that is imported when suites are listed, and light until it runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from omniloom.core.registry import Registry
from omniloom.evaluation.suites.suite import Suite

SHIPPED = (
    "omniloom.evaluation.suites.shipped.world",
    "omniloom.evaluation.suites.shipped.turns",
    "omniloom.evaluation.suites.shipped.card",
    "omniloom.evaluation.suites.shipped.listener",
    "omniloom.evaluation.suites.shipped.few_shot",
    "omniloom.evaluation.suites.shipped.harness",
    "omniloom.evaluation.suites.shipped.pairs",
    "omniloom.evaluation.suites.shipped.code",
    "omniloom.evaluation.suites.shipped.code_controls",
    "omniloom.evaluation.suites.shipped.pictures",
)
"""Modules with a `SUITE`, in the order in which they are listed."""

_suites: Registry[Suite] = Registry("suite")


def add_suite(suite: Suite) -> Suite:
    """File a suite under its name, so that it can be run by it.

    Raises:
        ValueError: If the name is taken.
    """
    suites().add(suite.name, suite)
    return suite


def suites() -> Registry[Suite]:
    """All suites: the package's own, and those added since."""
    for module in SHIPPED:
        own = import_module(module).SUITE
        _suites.add(own.name, own)
    return _suites


def suite(name: str) -> Suite:
    """The suite of this name.

    Raises:
        ValueError: If there is none; it names the nearest.
    """
    return suites().get(name)


def load_suite_file(path: str | Path) -> list[str]:
    """Run a user's file, which files its suites by `add_suite`; their names.

    Raises:
        ValueError: If it is no Python file, or fails, or files none.
    """
    from omniloom.data.problems.pairs.user_file import run_user_file

    path = Path(path)
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"{path} is no Python file; give one that calls add_suite")
    known = set(suites())
    run_user_file(path)
    added = [name for name in suites() if name not in known]
    if not added:
        raise ValueError(f"{path} adds no suite; call omniloom.evaluation.suites.add_suite(Suite(...)) in it")
    return added
