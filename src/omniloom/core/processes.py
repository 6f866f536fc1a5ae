"""Work spread over the cores of one machine: processes started afresh, one thread each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVarTuple

Arguments = TypeVarTuple("Arguments")


@contextmanager
def one_thread_each(
    count: int, start: Callable[[*Arguments], None] | None = None, *arguments: *Arguments
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes, in each of which `start(*arguments)` runs first where it is given.

    They are spawned, for a forked one inherits the locks of torch's threads. What is not begun when an error leaves the
    block is dropped.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes when they load their libraries
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, start, arguments) if start else ProcessPoolExecutor(count, context)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    finally:
        pool.shutdown()
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
