"""The shipped model behind the HTTP endpoints: in this process, and on loopback for official clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import openai
import pytest
from starlette.testclient import TestClient

from omniloom.generation import Omni
from omniloom.serving.app import create_app
from omniloom.serving.talk import listen, make_server


@pytest.fixture(scope="session")
def tiny() -> Omni:
    return Omni.load("tiny")


@pytest.fixture(scope="module")
def api(tiny: Omni) -> Iterator[TestClient]:
    """The application without a socket; what it fails to catch is an answer, as on a real server."""
    app = create_app(tiny, model_name="tiny")
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def address(tiny: Omni) -> Iterator[str]:
    """The base address of a real server on loopback."""
    listener = listen("127.0.0.1", 0)
    running = make_server(tiny, model_name="tiny")
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        running.should_exit = True
        thread.join(timeout=10)
        listener.close()
    assert not thread.is_alive()


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0) as made:
        yield made
