"""Worker processes compute with one thread each, end with their maker, and nothing of that stays behind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from omniloom.core.processes import THREADS, keep_few_arenas, num_cores, one_thread_each


@pytest.mark.parametrize("before", [None, "3"])
def test_each_process_has_one_thread(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
        if before is not None:
            monkeypatch.setenv(name, before)
    with one_thread_each(2) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    assert [os.environ.get(name) for name in THREADS] == [before] * len(THREADS)


def test_an_error_drops_what_is_not_begun() -> None:
    with pytest.raises(ValueError, match="enough"), one_thread_each(1) as pool:
        waiting = [pool.submit(time.sleep, 0.05) for _ in range(200)]
        raise ValueError("enough")
    assert all(job.done() for job in waiting)
    assert any(job.cancelled() for job in waiting)


def test_too_few_are_refused_and_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS[0], raising=False)
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"), one_thread_each(0):
        pass
    assert THREADS[0] not in os.environ


MAKER = """
import os, sys, time
from omniloom.core.processes import one_thread_each
if __name__ == "__main__":
    with one_thread_each(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


def test_processes_end_with_the_one_that_made_them(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "maker.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(MAKER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        worker = int(maker.stdout.readline())
        os.kill(worker, 0)
        maker.send_signal(signal.SIGKILL)
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {worker} outlived its maker by 10 s")


ARENAS = """
import ctypes, sys, threading
from omniloom.core.processes import keep_few_arenas
if sys.argv[1] == "few":
    assert keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_hold = threading.Barrier(8)
def hold():
    libc.malloc(1000)
    all_hold.wait(30)
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_few_arenas(tmp_path: Path) -> None:
    counts = {}
    for how in ("few", "many"):
        found = tmp_path / how
        subprocess.run([sys.executable, "-c", ARENAS, how, str(found)], check=True, timeout=60)
        counts[how] = found.read_text().count("<heap nr=")
    assert counts["few"] <= 2 < counts["many"]


def test_a_system_without_arenas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_few_arenas()


def test_the_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert num_cores() == 3
