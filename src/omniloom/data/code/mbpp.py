"""MBPP (Austin et al. 2021): 974 small functions asked for in a sentence, with three assertions.

A problem names its function only by its assertions, so they stand in the prompt, in one docstring with the sentence:
the program is then the prompt and what comes after, and a model that goes on with text needs no instruction. The
assertions that are shown are those that judge, as published.

The names that are the program's are those that the assertions call and the reference solution defines: problem 126 asks
for a function named `sum`, which Python has too.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import replace
from pathlib import Path

from omniloom.data.code import sources
from omniloom.data.code.problem import WALL_S, CodeProblem

FIELDS = ("task_id", "text", "code", "test_list", "test_setup_code")

STOPS = ("\nassert ", '\n"""', "\nprint", "\nif __name__", "\n# ")
"""Several functions and classes may be one answer, so they do not end it as in HumanEval."""

SLOW_S = {123: 60.0}
"""The reference of 123 adds up divisors one by one: it takes some 10 s on an idle core."""


def mbpp(path: str | Path | None = None, *, is_setup_first: bool = False) -> list[CodeProblem]:
    """The problems, or those of a file of the same form.

    The setup of a test runs with the test, after the program, whose classes it uses. With `is_setup_first` it stands
    before the program, as the field's name suggests; two reference solutions, of 367 and 927, then fail.

    Raises:
        ValueError: If the file is missing, damaged, or of another form.
    """
    rows = sources.public_rows(sources.MBPP, sources.MBPP_FILE) if path is None else sources.file_rows(path)
    found = []
    for row in rows:
        number, text, code, tests, setup = sources.fields_of(row, FIELDS, file=str(path or "MBPP"))
        code, setup = code.replace("\r\n", "\n"), setup.replace("\r\n", "\n")
        problem = _problem(int(number), text, code, tests, "" if is_setup_first else setup)
        if is_setup_first and setup:
            problem = replace(problem, name=f"{problem.name} setup first", prompt=f"{setup}\n{problem.prompt}")
        found.append(problem)
    return found


def _problem(number: int, text: str, code: str, tests: list[str], setup: str) -> CodeProblem:
    shown = "\n".join(test.strip() for test in tests)
    # Raw: an assertion may hold a backslash.
    prompt = f'r"""\n{text.strip()}\n{shown}\n"""\n'
    return CodeProblem(
        name=f"MBPP/{number}",
        prompt=prompt,
        test="\n".join([setup, *tests, ""]),
        entry_points=called_names(tests, code),
        reference=code.rstrip() + "\n",
        description=text.strip(),
        header="",
        stops=STOPS,
        wall_s=SLOW_S.get(number, WALL_S),
    )


def called_names(tests: list[str], code: str) -> tuple[str, ...]:
    """The functions that the tests call and a solution defines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the data set's own strings
        calls = [node.func for test in tests for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Call)]
        defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    return tuple(sorted({call.id for call in calls if isinstance(call, ast.Name)} & defined))
