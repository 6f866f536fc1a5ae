"""Work on the cores of one machine: processes started afresh, one thread each, or one thread for a while."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVarTuple

Arguments = TypeVarTuple("Arguments")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read when they are loaded."""


@contextmanager
def one_thread_each(
    count: int, start: Callable[[*Arguments], None] | None = None, *arguments: *Arguments
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes, in each of which `start(*arguments)` runs first where it is given.

    They are spawned, for a forked one inherits the locks of torch's threads, and end with the process that made them,
    however that ends. What is not begun when an error leaves the block is dropped.

    Raises:
        ValueError: If there is to be less than one.
    """
    if count < 1:
        raise ValueError(f"processes must be at least 1, got {count}")
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (start, arguments))
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def one_thread() -> Iterator[None]:
    """Operators of torch take one thread meanwhile, also as a decorator; for times that are to be compared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


M_ARENA_MAX = -8
"""As glibc's malloc.h has it."""


def keep_few_arenas(count: int = 2) -> bool:
    """Have all threads of this process share so many of malloc's arenas from now on; whether the C library does so.

    glibc gives each of many threads an arena, up to eight a core, and what is freed in one serves no other: a server's
    memory then grows for hours without anything being kept.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, count))


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(start: Callable[..., None] | None, arguments: tuple[object, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a process of a pool waits for another"
    parent.join()
    os._exit(1)
