"""What a programming problem is: a prompt that a program goes on from, and the test that decides about the program.

A problem of any source becomes this: what is given, what is run, and what of it is trusted. Program and test never
share a process (`omniloom.sandbox`), so a problem also says which names of the test are the program's.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from omniloom.sandbox import Job, Limits

CODEX_STOPS = ("\nclass ", "\ndef ", "\n# ", "\nif ", "\nprint")
"""Where a completion of a function ends (Chen et al. 2021, section 3.3): at what begins in the first column.

The blank behind them keeps `default` or `iffy` from being taken for one.
"""

WALL_S = 10.0
"""How long program and test may take. The paper's 3 s are of an idle machine, and a correct program must not fail
because others run beside it."""


@dataclass(frozen=True, kw_only=True)
class CodeProblem:
    """A prompt, and how what a model writes after it is judged.

    The program is prompt and completion together. `description` is what it shall do, in words, and `header` the prompt
    without them: a model of the opposite direction tells the one from the other (`evaluation.code.ranking`). `prelude`
    is the problem's own source that the test may use. `reference` is a completion that passes.
    """

    name: str
    prompt: str
    test: str
    entry_points: tuple[str, ...]
    reference: str
    description: str
    header: str
    prelude: str = ""
    stops: tuple[str, ...] = CODEX_STOPS
    wall_s: float = WALL_S
    group: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """Eight digits that change with what is asked or what is judged, so that no verdict is taken for another's."""
        asked = (self.prompt, self.test, self.prelude, *self.entry_points, *self.stops, str(self.wall_s))
        return hashlib.sha256("\0".join(asked).encode("utf-8", "surrogatepass")).hexdigest()[:8]

    def job(self, completion: str) -> Job:
        """The contained run that judges a completion."""
        return Job(
            program=self.prompt + completion,
            test=self.test,
            prelude=self.prelude,
            entry_points=self.entry_points,
            limits=Limits(wall_s=self.wall_s),
        )


class SplitPrompt(NamedTuple):
    """A function's prompt without its docstring, and the docstring's words."""

    header: str
    description: str


def split_docstring(prompt: str) -> SplitPrompt:
    """Part a prompt that ends with a function's docstring; the last function's, where there are several.

    Raises:
        ValueError: If it is no Python, or its last function has no docstring.
    """
    try:
        tree = ast.parse(prompt.rstrip() + "\n    pass\n")
    except SyntaxError as error:
        raise ValueError(f"the prompt is no Python ({error}); it must end with a function's docstring") from error
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    # A string below the first statement counts too: problem 115 of HumanEval imports before it describes.
    found = [node.value for node in functions[-1].body if isinstance(node, ast.Expr)] if functions else []
    words = [node for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    if not words:
        raise ValueError(f"the prompt's last function has no docstring: {prompt[-80:]!r}")
    lines = prompt.splitlines(keepends=True)
    header = lines[: words[-1].lineno - 1] + lines[words[-1].end_lineno :]
    return SplitPrompt("".join(header), inspect.cleandoc(str(words[-1].value)))
