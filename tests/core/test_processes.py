"""Worker processes compute with one thread each, and nothing of that stays behind."""

from __future__ import annotations

import os

import pytest
import torch

from omniloom.core.processes import num_cores, one_thread_each


@pytest.mark.parametrize("before", [None, "3"])
def test_each_process_has_one_thread(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if before is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", before)
    with one_thread_each(2) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_an_error_drops_what_is_not_begun() -> None:
    with pytest.raises(ValueError, match="enough"), one_thread_each(1, None) as pool:
        waiting = [pool.submit(abs, -1) for _ in range(50)]
        raise ValueError("enough")
    assert all(job.done() for job in waiting)
    assert any(job.cancelled() for job in waiting)


def test_there_is_a_core() -> None:
    assert 1 <= num_cores() <= (os.cpu_count() or 1)
