"""Jobs beside the event loop: a reader that falls behind is told so, and what is heavy stays out of the loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from omniloom.serving.http import chat, responses
from omniloom.serving.http.errors import ApiError
from omniloom.serving.http.work import MAX_UNREAD, ModelWork

PATIENCE_S = 20


class Endless:
    """Counts until it is stopped."""

    def __init__(self) -> None:
        self.has_ended = threading.Event()

    def run(self) -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            self.has_ended.set()

    def cancel(self) -> None:
        """It is stopped by what it is told when it goes on."""


async def _read_late(job: Endless) -> list[int]:
    work, read = ModelWork(num_threads=1, num_waiting=0), []
    async with asyncio.timeout(PATIENCE_S):
        stream = work.stream(job)
        read.append(await anext(stream))
        assert await asyncio.to_thread(job.has_ended.wait, PATIENCE_S)
        with pytest.raises(ApiError, match="was not read"):
            async for value in stream:
                read.append(value)
    work.close()
    return read


def test_a_reader_that_falls_behind_is_told() -> None:
    read = asyncio.run(_read_late(Endless()))
    assert read == list(range(len(read))) and len(read) > MAX_UNREAD


@pytest.mark.parametrize(
    ("module", "path", "body"),
    [
        (chat, "chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        (responses, "responses", {"input": "hello"}),
    ],
)
def test_a_request_is_checked_outside_the_event_loop(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, module: Any, path: str, body: dict[str, Any]
) -> None:
    checked, has_loop = module.endpoint.checked, []

    def seen(request: Any) -> list[str]:
        has_loop.append(asyncio._get_running_loop() is not None)
        found: list[str] = checked(request)
        return found

    monkeypatch.setattr(module.endpoint, "checked", seen)
    assert api.post(f"/v1/{path}", json={"model": "tiny", **body}).status_code == 200
    assert has_loop == [False]
