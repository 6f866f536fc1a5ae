"""Requests that are too large or too slow, over a real socket, where nothing tidies them up beforehand."""

from __future__ import annotations

import http.client
import json

import pytest
from tests.serving.conftest import running_server

from omniloom.serving.realtime.limits import Limits

LIMITS = Limits(body_bytes=100_000, head_bytes=8_000, body_s=0.5)


@pytest.fixture
def small_server(omni):
    with running_server(omni, model_name="fake", limits=LIMITS) as address:
        yield address


def ask(address, *, headers=(), body=None):
    """Status and error code of one request to an endpoint that reads its body."""
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("POST", "/v1/chat/completions", body=body, headers=dict(headers), encode_chunked=True)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())["error"]["code"]
    connection.close()
    return found


def test_a_body_with_a_length_is_refused_by_its_length(small_server):
    assert ask(small_server, body=b"x" * 100_001) == (413, "request_too_large")
    assert ask(small_server, headers={"Content-Length": "1000000000"}, body=b"{")[0] in (408, 413)


def test_a_body_without_a_length_is_refused_while_it_streams(small_server):
    pieces = (b"x" * 10_000 for _ in range(12))
    assert ask(small_server, headers={"Transfer-Encoding": "chunked"}, body=pieces) == (413, "request_too_large")


def test_a_body_of_the_largest_size_is_read(small_server):
    status, code = ask(small_server, headers={"Content-Type": "application/json"}, body=b" " * 100_000)
    assert status not in (408, 413), code


def test_a_body_that_stops_coming_is_told_so(small_server):
    assert ask(small_server, headers={"Content-Length": "100"}, body=b"{") == (408, "request_timeout")


def test_a_large_head_is_refused(small_server):
    assert ask(small_server, headers={"X-Large": "x" * 8_000})[0] in (400, 431)
