"""A server that is busy, fails, refuses, or dies: what passes is waited for, what does not is said with its remedy."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from omniloom.cli import main
from omniloom.evaluation.endpoints import Client
from omniloom.evaluation.endpoints import client as client_module

KEY = "right"


class Server(ThreadingHTTPServer):
    """Answers chats with "ok", after the statuses that it is told to give first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.first: list[int] = []
        self.num_asked = self.num_answered = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(self._status() or 200, {"object": "list", "data": [{"id": "adder", "extensions": ["reply_at"]}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.num_asked += 1
            status = self._status() or (self.server.first.pop(0) if self.server.first else 200)
            self.server.num_answered += status == 200
        message = {"role": "assistant", "content": body["messages"][-1]["content"] + " ok"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._answer(
            status, {"id": "1", "created": 0, "model": "adder", "object": "chat.completion", "choices": [choice]}
        )

    def _status(self) -> int | None:
        return None if self.headers["authorization"] == f"Bearer {KEY}" else 401

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body if status == 200 else {"error": {"message": f"told {status}"}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status in (429, 503):
            self.send_header("retry-after-ms", "20")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def asked(client: Client, count: int) -> dict[int, str]:
    def ask(number: int) -> str:
        found = client.openai.chat.completions.create(
            model="adder", messages=[{"role": "user", "content": str(number)}]
        )
        return str(found.choices[0].message.content)

    return dict(client.each(ask, range(count)))


def test_what_passes_by_itself_is_asked_again(server: Server) -> None:
    server.first = [429, 503, 429, 503, 429]
    client = Client(server.url, "adder", api_key=KEY, num_parallel=2)
    assert asked(client, 6) == {number: f"{number} ok" for number in range(6)}
    assert (server.num_asked, server.num_answered) == (11, 6)


def test_what_does_not_pass_ends_the_run_with_what_was_told(server: Server) -> None:
    server.first = [503] * 100
    with pytest.raises(ConnectionError, match=r"failed \(InternalServerError: .*told 503.* and run the same command"):
        asked(Client(server.url, "adder", api_key=KEY, max_retries=2), 1)
    assert server.num_asked == 3
    server.first = [422] * 100
    with pytest.raises(ValueError, match=r"refuses a request to 'adder' .*told 422"):
        asked(Client(server.url, "adder", api_key=KEY), 1)
    assert server.num_asked == 4, "what was asked wrongly is not asked again"


def test_after_a_failure_no_more_is_asked_and_what_came_is_handed_on(server: Server) -> None:
    server.first = [200, 200, 200, 400]
    client = Client(server.url, "adder", api_key=KEY, num_parallel=1, max_retries=0)

    def ask(number: int) -> str:
        messages = [{"role": "user", "content": str(number)}]
        return str(client.openai.chat.completions.create(model="adder", messages=messages).choices[0].message.content)

    kept: list[int] = []
    with pytest.raises(ValueError, match="refuses a request"):
        for place, _ in client.each(ask, range(50)):
            kept.append(place)
    # One may have been under way when the fourth was refused; its answer came, so it is kept.
    assert kept in ([0, 1, 2], [0, 1, 2, 4]) and server.num_answered == len(kept)


def test_who_stops_listening_waits_for_no_more_than_is_under_way(server: Server) -> None:
    client = Client(server.url, "adder", api_key=KEY, num_parallel=2)
    with pytest.raises(KeyboardInterrupt):
        for _ in client.each(lambda number: asked(client, 1), range(40)):
            raise KeyboardInterrupt
    assert server.num_asked < 10


def test_a_refused_key_and_an_unknown_name_are_told_before_anything_is_asked(server: Server) -> None:
    with pytest.raises(ValueError, match="refuses the key; set OPENAI_API_KEY to one that it takes"):
        Client(server.url, "adder", api_key="wrong").facts()
    with pytest.raises(ValueError, match=r"serves no model 'addr'; did you mean 'adder'\?"):
        Client(server.url, "addr", api_key=KEY).facts()
    with pytest.raises(ValueError, match="serves no model 'gpt'; it serves adder"):
        Client(server.url, "gpt", api_key=KEY).facts()
    assert Client(server.url, "adder", api_key=KEY).facts()["extensions"] == ["reply_at"]
    assert server.num_asked == 0


PIG_LATIN = ["--problem-file", str(Path(__file__).parents[3] / "examples" / "my_problem.py"), "--problems", "pig_latin"]


@pytest.mark.parametrize(
    "suite", [["world", "--cells", "text-to-text"], ["few-shot", "--tasks", "1DC"], ["pairs", *PIG_LATIN], ["pictures"]]
)
def test_every_suite_tells_it_in_one_line(
    server: Server, suite: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client_module, "MAX_RETRIES", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for url, model, key, told in (
        (server.url, "adder", "wrong", "refuses the key; set OPENAI_API_KEY"),
        (server.url, "addr", KEY, "serves no model 'addr'; did you mean 'adder'?"),
        (gone, "adder", KEY, "failed (APIConnectionError"),
    ):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        assert main(["evaluate", *suite, "--limit", "2", "--endpoint", url, "--model", model]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("omniloom: error: ") and told in error
