"""A session's thread runs jobs in order and survives them."""

from __future__ import annotations

import threading

from omniloom.serving.realtime.worker import Worker


def test_jobs_run_in_order_and_a_broken_one_ends_nothing(caplog):
    worker, done, order = Worker(name="test", limit=10, limit_bytes=10), threading.Event(), []
    worker.submit(lambda: order.append(1))
    worker.submit(lambda: 1 // 0)
    worker.submit(lambda: (order.append(2), done.set()))
    assert done.wait(5) and order == [1, 2] and "division" in caplog.text
    worker.stop()
    assert worker.join(timeout_s=5)


def test_a_full_worker_says_so_and_can_still_be_stopped():
    worker, go = Worker(name="test", limit=2, limit_bytes=10), threading.Event()
    worker.submit(go.wait)
    accepted = [worker.submit(lambda: None) for _ in range(4)]
    assert accepted[-1] is False
    worker.stop()
    go.set()
    assert worker.join(timeout_s=5)


def test_jobs_that_hold_too_much_together_are_refused_until_the_first_are_done():
    worker, go, done = Worker(name="test", limit=10, limit_bytes=10), threading.Event(), threading.Event()
    assert worker.submit(go.wait, num_bytes=6)
    assert not worker.submit(lambda: None, num_bytes=5)
    assert worker.submit(done.set, num_bytes=4)
    go.set()
    assert done.wait(5)
    finished = threading.Event()
    assert worker.submit(finished.set, num_bytes=6)
    assert finished.wait(5)
    worker.stop()
    assert worker.join(timeout_s=5)
