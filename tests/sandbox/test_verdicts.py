"""Honest programs pass, wrong ones fail, and no program passes by anything but right answers."""

from __future__ import annotations

import pytest

from omniloom.evaluation.code.attacks import FORGERS
from omniloom.evaluation.code.attacks.run import SECRET_TEST
from omniloom.sandbox import Job, Outcome, Result, Sandbox
from tests.sandbox.conftest import PATIENT, read_programs


def judged(sandbox: Sandbox, program: str, test: str, **more: object) -> Result:
    return sandbox.run(Job(program=program, test=test, limits=PATIENT, **more))


HONEST = read_programs("honest.txt")


@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_pass(sandbox: Sandbox, name: str) -> None:
    program, _, test = HONEST[name].partition("--- test\n")
    result = judged(sandbox, program, test)
    assert result.passed, result


def test_a_wrong_program_fails_with_the_line_that_found_it(sandbox: Sandbox) -> None:
    result = judged(sandbox, "def double(x): return 3 * x", "assert double(0) == 0\nassert double(4) == 8")
    assert (result.outcome, result.where, result.error_type) == (Outcome.FAILED, "test", "AssertionError")
    assert "line 2" in result.traceback and "double(4) == 8" in result.traceback


def test_an_error_of_the_program_is_told_with_its_own_line(sandbox: Sandbox) -> None:
    result = judged(sandbox, "def div(x):\n    return 1 / x", "div(0)")
    assert (result.where, result.error_type, result.message) == ("program", "ZeroDivisionError", "division by zero")
    assert "return 1 / x" in result.traceback


def test_helpers_of_the_prompt_are_the_judges_own(sandbox: Sandbox) -> None:
    prompt = "def poly(x): return x - 3\ndef root():\n    '''A zero of poly.'''\n"
    test = "assert abs(poly(root())) < 1e-9"
    cheat = prompt + "    return 0\ndef poly(x): return 0"
    more = {"prelude": prompt, "entry_points": ("root",)}
    assert judged(sandbox, prompt + "    return 3", test, **more).passed
    assert judged(sandbox, cheat, test, **more).outcome is Outcome.FAILED
    assert judged(sandbox, cheat, test).passed, "without the prelude the test asks the program for `poly`"


@pytest.mark.parametrize("name", FORGERS)
def test_no_program_passes_but_by_right_answers(sandbox: Sandbox, name: str) -> None:
    result = judged(sandbox, FORGERS[name], SECRET_TEST)
    assert not result.passed, result


def test_the_forgers_test_can_be_passed(sandbox: Sandbox) -> None:
    right = "def solve(x): return 'the secret 83741' if x == [7] else x[0] * 1000003"
    assert judged(sandbox, right, SECRET_TEST).passed


def test_a_call_cannot_end_the_tests_own_loop(sandbox: Sandbox) -> None:
    test = "assert all(map(lambda x: solve(x) == x + 1, [1, 2, 3]))"
    assert not judged(sandbox, "def solve(x): raise StopIteration", test).passed
    assert judged(sandbox, "def solve(x): return x + 1", test).passed


SEARCH = r"""
import ctypes, gc, re, sys

def found():
    # Written so that it does not match itself.
    needle = rb"the secre[t] \d{5}"
    frame = sys._getframe()
    while frame:
        if any(re.search(needle, str(value).encode()) for value in list(frame.f_locals.values())):
            yield "frame"
        frame = frame.f_back
    # Every page in which an object lives or could live: none of these reads can fail.
    kept = [bytes(size) for size in range(16, 512, 16) for _ in range(200)] + gc.get_objects()
    pages = {id(item) >> 12 for item in kept} | {id(value) >> 12 for item in kept for value in gc.get_referents(item)}
    for page in pages:
        if re.search(needle, ctypes.string_at(page << 12, 4096)):
            yield "memory"

def solve(x):
    return sorted(set(found()))
"""


def test_the_expected_answers_are_nowhere_in_the_programs_memory(sandbox: Sandbox) -> None:
    # Twice, with a program that fails and tells its test between, as what an earlier run leaves would be found too.
    for _ in range(2):
        judged(sandbox, "def solve(x): return 0", SECRET_TEST)
        result = judged(sandbox, SEARCH, "print(solve(1))\n" + SECRET_TEST)
        assert (result.outcome, result.stdout) == (Outcome.FAILED, "[]\n"), result
    known = SEARCH + "\nown = 'the secret ' + str(10 ** 4)"
    assert judged(sandbox, known, "print(solve(1))").stdout == "['memory']\n", "the search finds what is there"


def test_alone_a_program_tells_how_it_ended(sandbox: Sandbox) -> None:
    def alone(program: str, **more: object) -> Result:
        return sandbox.run(Job(program=program, limits=PATIENT, **more))

    assert alone("print(input()[::-1])", stdin="olleh\n").stdout == "hello\n"
    assert alone("assert __name__ == '__main__'").passed
    failed = alone("print('before')\n1 / 0")
    assert (failed.outcome, failed.error_type, failed.stdout) == (Outcome.FAILED, "ZeroDivisionError", "before\n")
    assert alone("import sys; sys.exit(0)").error_type == "SystemExit"
    left = alone("import os; os._exit(3)")
    assert (left.outcome, left.exit_code) == (Outcome.NO_VERDICT, 3)
    crashed = alone("import ctypes; ctypes.string_at(1)")
    assert (crashed.outcome, crashed.signal) == (Outcome.KILLED, "SIGSEGV")


def test_chance_is_the_same_again(sandbox: Sandbox) -> None:
    program = "import random\nprint(random.random(), hash('a'), list({'a', 'b', 'c'}))"
    first, second = (sandbox.run(Job(program=program, limits=PATIENT)).stdout for _ in range(2))
    assert first == second != sandbox.run(Job(program=program, seed=1, limits=PATIENT)).stdout
