"""HumanEval and MBPP as problems: what is trusted, what is asked, and files that are torn, broken or not there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from omniloom.data.code import sources
from omniloom.data.code.human_eval import human_eval
from omniloom.data.code.mbpp import called_names, mbpp
from omniloom.data.code.problem import CODEX_STOPS, split_docstring
from omniloom.data.public import is_at_hand

needs_human_eval = pytest.mark.skipif(not is_at_hand(sources.HUMAN_EVAL), reason="needs human-eval in $OMNILOOM_DATA")
needs_mbpp = pytest.mark.skipif(not is_at_hand(sources.MBPP), reason="needs mbpp in $OMNILOOM_DATA")

ROW = {
    "task_id": "mine/1",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(f):\n    assert f(2) == 4\n",
    "entry_point": "double",
}


def test_a_file_of_ones_own_is_read_packed_or_not(tmp_path: Path) -> None:
    plain, packed = tmp_path / "mine.jsonl", tmp_path / "mine.jsonl.gz"
    plain.write_text(json.dumps(ROW) + "\n\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        (problem,) = human_eval(path)
        assert problem.header == "def double(x):\n" and problem.description == "Twice x."
        assert problem.test.endswith("check(double)\n") and problem.entry_points == ("double",)
        job = problem.job(problem.reference)
        assert job.program == ROW["prompt"] + ROW["canonical_solution"]
        assert job.prelude == ROW["prompt"] + "    pass\n"


def rows(**changes: Any) -> bytes:
    return (json.dumps(ROW | changes) + "\n").encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(rows())[:-9], r"is torn \(.*\); download it again"),
        (rows() + b"{}\n", "problem \\? of .* has no task_id, prompt, canonical_solution, test, entry_point"),
        (rows() + b'{"task_id": "x"', "is broken at line 2"),
        (b"[1]\n", "holds no object at line 1"),
        (b"\n", "holds no problem"),
        (rows(prompt="def f(x):\n"), "the prompt's last function has no docstring"),
        (rows(prompt="def f(x:\n"), "the prompt is no Python"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        human_eval(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.jsonl cannot be read"):
        human_eval(tmp_path / "none.jsonl")


def test_a_mirror_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "human-eval" / "data"
    home.mkdir(parents=True)
    (home / "HumanEval.jsonl.gz").write_bytes(gzip.compress(rows()))
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"has the checksum .*, expected b796127.*; replace it, or choose other"):
        human_eval()


def test_a_docstring_below_a_statement_is_found() -> None:
    split = split_docstring('def f(x):\n    import math\n    """\n    Round\n    up.\n    """\n')
    assert split.header == "def f(x):\n    import math\n" and split.description == "\nRound\nup.\n".strip()


def test_the_programs_names_are_those_that_are_called_and_defined() -> None:
    code = "def helper(a): return a\ndef sum(a, b): return a + b\n"
    assert called_names(["assert sum(1, 2) == 3", "assert set([3]) == set([sum(1, 2)])"], code) == ("sum",)


@needs_human_eval
def test_human_eval_is_whole() -> None:
    problems = human_eval()
    assert len(problems) == 164 and {problem.stops for problem in problems} == {CODEX_STOPS}
    assert all(problem.description and "def " in problem.header for problem in problems)
    assert problems[115].description.startswith("You are given a rectangular grid of wells.")


@needs_mbpp
def test_mbpp_is_whole_and_names_its_functions() -> None:
    problems = {problem.name: problem for problem in mbpp()}
    assert len(problems) == 974 and all(problem.entry_points for problem in problems.values())
    assert problems["MBPP/126"].entry_points == ("sum",)
    assert problems["MBPP/123"].wall_s == 60.0
    assert problems["MBPP/927"].test.startswith("root = Node(1)")
    first = {problem.name: problem for problem in mbpp(is_setup_first=True)}
    assert first["MBPP/927 setup first"].prompt.startswith("root = Node(1)")
    assert sum("setup first" in name for name in first) == sum(
        not problem.test.startswith("\n") for problem in problems.values()
    )
