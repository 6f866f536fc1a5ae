"""A real server of an OpenAI-compatible endpoint that answers by a function, and may die after so many answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Endpoint(ThreadingHTTPServer):
    """`num_left` answers are given, then connections are closed without one; `bodies` are what was asked.

    It lists its model `m` where that has `extensions`, and has no such list where they are None.
    """

    daemon_threads = True

    def __init__(self, answer: Answer, *, extensions: Sequence[str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.extensions = answer, extensions
        self.num_answers, self.num_left = 0, 10**9
        self.bodies: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        if self.server.extensions is None:
            self.send_error(404)
            return
        self._send({"object": "list", "data": [{"id": "m", "extensions": list(self.server.extensions)}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.num_left -= 1
            is_dead = self.server.num_left < 0
            self.server.num_answers += not is_dead
        if is_dead:
            self.close_connection = True
            return
        self._send(self.server.answer(body))

    def _send(self, found: dict[str, Any]) -> None:
        data = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_endpoint(answer: Answer, *, extensions: Sequence[str] | None = None) -> Iterator[Endpoint]:
    server = Endpoint(answer, extensions=extensions)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
