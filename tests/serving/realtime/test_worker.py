"""Jobs of a session run in their order and survive one another; threads are borrowed, few, and given back."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from omniloom.serving.realtime.worker import Threads, Worker


@pytest.fixture
def threads():
    return Threads(4, idle_s=0.05)


def worker_on(threads, *, limit=10, limit_bytes=10):
    return Worker(threads=threads, limit=limit, limit_bytes=limit_bytes)


def until(holds):
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert holds()


def test_jobs_run_in_order_and_a_broken_one_ends_nothing(threads, caplog):
    worker, done, order = worker_on(threads), threading.Event(), []
    worker.submit(lambda: order.append(1))
    worker.submit(lambda: 1 // 0)
    worker.submit(lambda: (order.append(2), done.set()))
    assert done.wait(5) and order == [1, 2] and "division" in caplog.text
    worker.stop()
    assert worker.join(timeout_s=5)


def test_a_full_worker_says_so_and_can_still_be_stopped(threads):
    worker, go = worker_on(threads, limit=2), threading.Event()
    worker.submit(go.wait)
    accepted = [worker.submit(lambda: None) for _ in range(4)]
    assert accepted[-1] is False
    worker.stop()
    go.set()
    assert worker.join(timeout_s=5)


def test_jobs_that_hold_too_much_together_are_refused_until_the_first_are_done(threads):
    worker, go, done = worker_on(threads), threading.Event(), threading.Event()
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


def test_many_workers_share_few_threads_and_each_keeps_its_order(threads):
    orders = [[] for _ in range(32)]
    workers = [worker_on(threads, limit=100) for _ in orders]
    most = 0
    for number in range(100):
        for worker, order in zip(workers, orders, strict=True):
            worker.submit(lambda order=order, number=number: order.append(number))
        most = max(most, threads.num_threads)
    assert all(worker.join(timeout_s=5) for worker in workers)
    assert all(order == list(range(100)) for order in orders)
    assert 1 <= most <= 4


def test_threads_are_given_back_when_nobody_has_anything_to_do(threads):
    workers = [worker_on(threads) for _ in range(8)]
    assert threads.num_threads == 0  # a session that is silent costs none
    for worker in workers:
        worker.submit(lambda: None)
    until(lambda: threads.num_threads == 0)
    workers[0].submit(lambda: None)
    assert workers[0].join(timeout_s=5)


def test_work_beyond_the_threads_waits_for_one(threads):
    go, started = threading.Event(), []
    workers = [worker_on(threads) for _ in range(5)]
    for number, worker in enumerate(workers):
        worker.submit(lambda number=number: (started.append(number), go.wait()))
    until(lambda: len(started) == 4)
    go.set()
    assert all(worker.join(timeout_s=5) for worker in workers) and len(started) == 5


def test_a_stopped_worker_and_its_jobs_are_held_by_nothing():
    threads = Threads(1, idle_s=60)  # the thread outlives the worker

    class Held:
        pass

    worker, held, done = worker_on(threads), Held(), threading.Event()
    worker.submit(lambda held=held: done.set())
    assert done.wait(5) and worker.join(timeout_s=5)
    worker.stop()
    gone = [weakref.ref(worker), weakref.ref(held)]
    del worker, held
    until(lambda: gc.collect() >= 0 and [ref() for ref in gone] == [None, None])
