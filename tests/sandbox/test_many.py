"""Many programs at once: each result is the one it has alone, whatever runs beside it or dies."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom.evaluation.code.attacks import ATTACKS
from omniloom.sandbox import Job, Limits, Outcome, Result, Sandbox, run, run_many
from tests.sandbox.conftest import PATIENT

QUICK = Limits(wall_s=20.0, memory_bytes=128 << 20, output_bytes=1000)
DOUBLE = "def double(x):\n    return {factor} * x"
TEST = "print('judged')\nassert double(4) == 8"
BESIDE = {
    "right": DOUBLE.format(factor=2),
    "wrong": DOUBLE.format(factor=3),
    "error": "def double(x): return x / 0",
    "chance": "import random\ndef double(x): return random.choice([8, 8, 9])",
    "exit": "import os; os._exit(0)",
    "crash": "import ctypes; ctypes.string_at(8)",
    "memory": "def double(x): return bytearray(1 << 40)",
    "output": "def double(x):\n    while True: print('x' * 100)",
    **{name: ATTACKS[name] for name in ("fork bomb", "signals to the parent", "full disk")},
}


def told(result: Result) -> tuple[object, ...]:
    """All of a result but its times."""
    return (result.outcome, result.where, result.error_type, result.message, result.stdout, result.signal)


def job_of(name: str) -> Job:
    return Job(program=BESIDE[name].replace("def solve():", "def double(x):"), test=TEST, limits=QUICK)


@pytest.fixture(scope="module")
def alone(sandbox: Sandbox) -> dict[str, tuple[object, ...]]:
    return {name: told(sandbox.run(job_of(name))) for name in BESIDE}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.sampled_from(sorted(BESIDE)), min_size=1, max_size=12), num_workers=st.integers(1, 4))
def test_results_are_the_same_alone_and_beside_attackers(
    alone: dict[str, tuple[object, ...]], names: list[str], num_workers: int
) -> None:
    results = run_many([job_of(name) for name in names], num_workers=num_workers, title=None)
    assert [told(result) for result in results] == [alone[name] for name in names]


def test_one_of_many_passes_where_it_is_right(alone: dict[str, tuple[object, ...]]) -> None:
    assert {name for name, result in alone.items() if result[0] is Outcome.PASSED} <= {"right", "chance"}
    assert alone["right"][0] is Outcome.PASSED and alone["right"][4] == "judged\n"


def test_each_result_is_told_as_it_comes_and_progress_is_shown(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    seen: dict[int, Result] = {}
    jobs = [Job(program=DOUBLE.format(factor=number % 3), test=TEST, limits=PATIENT) for number in range(9)]
    results = run_many(jobs, num_workers=3, on_done=seen.__setitem__)
    assert [seen[index] for index in range(9)] == results
    assert [result.passed for result in results] == [number % 3 == 2 for number in range(9)]
    assert "100 % of 9 programs" in shown.getvalue() and "passed 3" in shown.getvalue()


def test_a_sandbox_that_dies_loses_no_result(sandbox: Sandbox) -> None:
    done: list[int] = []

    def kill_one(index: int, _: Result) -> None:
        done.append(index)
        if len(done) == 2:
            children = psutil.Process().children()
            victim = max(children, key=lambda child: child.create_time())
            victim.send_signal(signal.SIGKILL)

    jobs = [Job(program=DOUBLE.format(factor=2), test=TEST, limits=PATIENT) for _ in range(12)]
    results = run_many(jobs, num_workers=2, on_done=kill_one, title=None)
    assert sorted(done) == list(range(12)) and all(result.passed for result in results)


def test_an_error_of_the_listener_ends_all_and_leaves_nothing(sandbox: Sandbox) -> None:
    before, threads = set(psutil.Process().children(recursive=True)), set(threading.enumerate())

    def refuse(index: int, _: Result) -> None:
        raise KeyboardInterrupt

    started_s = time.monotonic()
    endless = Job(program="while True: pass", limits=Limits(wall_s=300.0))
    with pytest.raises(KeyboardInterrupt):
        run_many([Job(program="pass"), endless, endless], num_workers=2, on_done=refuse, title=None)
    assert time.monotonic() - started_s < 100
    assert set(psutil.Process().children(recursive=True)) <= before
    assert set(threading.enumerate()) <= threads


def test_a_sandbox_dies_with_its_host(sandbox: Sandbox) -> None:
    child = os.fork()
    if child == 0:
        with Sandbox() as own:
            own.run(Job(program="while True: pass", limits=Limits(wall_s=300.0)))
        os._exit(1)
    host = psutil.Process(child)
    # Its two processes and the program's.
    while len(inside := host.children(recursive=True)) < 3:
        time.sleep(0.01)
    host.kill()
    os.waitpid(child, 0)
    gone, alive = psutil.wait_procs(inside, timeout=30)
    assert len(gone) == len(inside) and not alive


def test_a_sandbox_outlives_the_thread_that_opened_it(sandbox: Sandbox) -> None:
    opened: list[Sandbox] = []
    thread = threading.Thread(target=lambda: opened.append(Sandbox()))
    thread.start()
    thread.join()
    servers = psutil.Process().children()
    with opened[0] as own:
        assert own.run(Job(program="", limits=PATIENT)).passed
        assert psutil.Process().children() == servers, "it was started again"


def test_one_program_needs_one_line() -> None:
    assert run("def double(x): return 2 * x", TEST, limits=PATIENT).passed


def test_no_jobs_are_no_work() -> None:
    assert run_many([]) == []
    with pytest.raises(ValueError, match="num_workers must be at least 1, got 0"):
        run_many([Job(program="")], num_workers=0)
