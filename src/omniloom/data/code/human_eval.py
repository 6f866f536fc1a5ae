"""HumanEval (Chen et al. 2021): 164 functions to be written after their signature and docstring.

The prompt is also the test's prelude: some tests use what a prompt defines (`poly` of 32, `encode_cyclic` of 38), and a
test that asked the program for it would have the program judge itself.
"""

from __future__ import annotations

from pathlib import Path

from omniloom.data.code import sources
from omniloom.data.code.problem import CodeProblem, split_docstring

FIELDS = ("task_id", "prompt", "canonical_solution", "test", "entry_point")


def human_eval(path: str | Path | None = None) -> list[CodeProblem]:
    """The problems, or those of a file of the same form.

    Raises:
        ValueError: If the file is missing, damaged, or of another form.
    """
    rows = sources.public_rows(sources.HUMAN_EVAL, sources.HUMAN_EVAL_FILE) if path is None else sources.file_rows(path)
    return [_problem(sources.fields_of(row, FIELDS, file=str(path or "HumanEval"))) for row in rows]


def _problem(values: list[str]) -> CodeProblem:
    name, prompt, solution, test, entry_point = values
    header, description = split_docstring(prompt)
    return CodeProblem(
        name=name,
        prompt=prompt,
        test=f"{test}\ncheck({entry_point})\n",
        entry_points=(entry_point,),
        reference=solution,
        description=description,
        header=header,
        prelude=f"{prompt}    pass\n",
    )
