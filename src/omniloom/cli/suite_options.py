"""The options of all suites on one command line: each suite adds its own, and gets only its own back.

Every option is known to the parser, so that `--help` shows all and an option of a suite that is not run is refused by
name. What two suites both have is one option. A subcommand a suite was rejected: several run at once into one table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from omniloom.cli.parsing import Parser
from omniloom.evaluation.suites import Suite


@dataclass(frozen=True, kw_only=True)
class _Option:
    """One suite's view of an option; `form` is what two suites must agree on, `action` what the parser has."""

    flag: str
    dest: str
    default: Any
    form: tuple[Any, ...]
    action: Any


class SuiteOptions:
    """The options of these suites, added to a parser."""

    def __init__(self, parser: Parser, suites: Iterable[Suite]) -> None:
        self._by_suite: dict[str, list[_Option]] = {}
        self._owners: dict[str, tuple[str, _Option]] = {}
        for suite in suites:
            group = _Group(suite.name, parser.add_argument_group(suite.name, suite.summary), self._owners)
            suite.add_arguments(group)
            self._by_suite[suite.name] = group.own

    def of(self, suite: str, parsed: argparse.Namespace) -> argparse.Namespace:
        """What was given of a suite's options, and its defaults for the rest."""
        own = self._by_suite[suite]
        return argparse.Namespace(**{option.dest: getattr(parsed, option.dest, option.default) for option in own})

    def refuse_others(self, chosen: Iterable[str], parsed: argparse.Namespace) -> None:
        """Refuse the options of suites that are not run.

        Raises:
            ValueError: If one was given, naming the suites that have it.
        """
        names = list(chosen)
        allowed = {option.dest for name in names for option in self._by_suite[name]}
        for _, option in self._owners.values():
            if option.dest in allowed or not hasattr(parsed, option.dest):
                continue
            having = [name for name, own in self._by_suite.items() if any(o.dest == option.dest for o in own)]
            raise ValueError(f"{option.flag} belongs to {' and '.join(having)}; leave it out for {', '.join(names)}")


class _Group:
    """An argparse group that notes who has which option."""

    def __init__(self, suite: str, group: Any, owners: dict[str, tuple[str, _Option]]) -> None:
        self._suite, self._group, self._owners = suite, group, owners
        self.own: list[_Option] = []

    def add_argument(self, *names: str, **settings: Any) -> None:
        flag = next((name for name in names if name.startswith("--")), None)
        if flag is None:
            raise ValueError(f"suite {self._suite}: an option's name begins with --, got {', '.join(names)}")
        form = tuple(settings.get(name) for name in ("action", "nargs", "type", "choices", "dest"))
        dest = settings.get("dest") or flag.removeprefix("--").replace("-", "_")
        default = settings.pop("default", False if settings.get("action") == "store_true" else None)
        if flag in self._owners:
            other, known = self._owners[flag]
            if known.form != form:
                raise ValueError(f"suites {other} and {self._suite} both have {flag}, of two kinds; rename one")
            action = known.action
            action.help = f"{action.help}; of {self._suite}: {settings.get('help', 'the same')}"
        else:
            try:
                # An option that was not given leaves no trace, so that one that was can be told from its default.
                action = self._group.add_argument(*names, default=argparse.SUPPRESS, **settings)
            except argparse.ArgumentError as error:
                raise ValueError(f"suite {self._suite}: {flag} is an option of every suite; rename it") from error
        option = _Option(flag=flag, dest=dest, default=default, form=form, action=action)
        self._owners.setdefault(flag, (self._suite, option))
        self.own.append(option)
