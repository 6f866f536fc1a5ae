"""A server under attack, over real sockets: nothing grows, and a session beside it goes on as if alone."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import socket
import struct
import time

import pytest
from tests.serving.child import get
from tests.serving.conftest import running_server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from omniloom.serving.page import STATIC
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.telemetry.metrics import resident_bytes

LIMITS = Limits(head_s=0.5, stalled_s=0.5, connections=40, connections_per_address=30, sessions=4)
TEXT, CONTINUED, PING = 0x1, 0x0, 0x9


@pytest.fixture
def address(omni):
    with running_server(omni, model_name="fake", limits=LIMITS) as found:
        yield found


@pytest.fixture
def healthy(address):
    """A session that is asked before and after what a test does, and must answer both times."""
    with connect(f"ws://{address}/v1/realtime") as client:
        assert said(client, "before that") == "before that"
        yield client
        assert said(client, "after that") == "after that"


@pytest.fixture(autouse=True)
def nothing_grows(request):
    """Connections that a test leaves behind, and memory, both of this process, which is the server's too."""
    files, memory = len(os.listdir("/proc/self/fd")), resident_bytes()
    yield
    gc.collect()
    assert resident_bytes() - memory < 64e6
    assert len(os.listdir("/proc/self/fd")) <= files + 10


def said(client, text):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
    while (event := json.loads(client.recv(timeout=10)))["type"] != "response.done":
        assert event["type"] != "error", event
    return event["response"]["output"][0]["content"][0]["text"]


def opened(address):
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def raw(address, *, path="/v1/realtime", headers=()):
    """A WebSocket whose frames we write ourselves; past its handshake and first event."""
    plain = opened(address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13", *headers]
    plain.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += plain.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return plain, answer


def frame(kind, data=b"", *, is_last=True):
    length = len(data)
    size = struct.pack("!B", 0x80 | length) if length < 126 else struct.pack("!BH", 0x80 | 126, length)
    if length >= 1 << 16:
        size = struct.pack("!BQ", 0x80 | 127, length)
    return struct.pack("!B", (0x80 if is_last else 0) | kind) + size + b"\0\0\0\0" + data


def is_ended(plain, *, within_s=10.0):
    """Whether the server ends the connection; what it still says is read and dropped."""
    plain.settimeout(within_s)
    try:
        while plain.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def test_heads_that_never_end_are_cut_off(address, healthy):
    slow = [opened(address) for _ in range(20)]
    for plain in slow:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    until_s = time.monotonic() + 0.3
    while time.monotonic() < until_s:  # A byte now and then does not buy time.
        for plain in slow:
            with contextlib.suppress(OSError):
                plain.send(b"x")
        time.sleep(0.05)
    answers = [plain.recv(4096) for plain in slow]
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)
    assert all(is_ended(plain) for plain in slow)
    for plain in slow:
        plain.close()


def test_a_second_head_that_never_ends_is_cut_off_too(address, healthy):
    with opened(address) as plain:
        plain.sendall(f"GET /ready HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 200")
        plain.sendall(b"GET /ready HTTP/1.1\r\nHost:")
        assert is_ended(plain, within_s=5)


def test_one_address_cannot_take_all_connections(address, healthy):
    many = [opened(address) for _ in range(200)]
    refused = 0
    for plain in many:
        plain.settimeout(5)
        with contextlib.suppress(OSError):
            refused += plain.recv(4096).startswith(b"HTTP/1.1 503")
        plain.close()
    # One is the healthy session's; those that were let in got 408 for saying nothing.
    assert refused >= 200 - LIMITS.connections_per_address
    wait_for(lambda: get(f"http://{address}/ready")[0] == 200)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 4_000 + b"\r\n",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 300_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
    ids=["headers", "address", "one-header", "tls", "no-host", "two-lengths", "two-hosts"],
)
def test_broken_and_huge_heads_are_refused(address, healthy, head):
    with opened(address) as plain:
        with contextlib.suppress(OSError):
            plain.sendall(head)
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(4096)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 431", b"")


def test_a_message_over_the_limit_ends_its_own_socket_alone(address, healthy):
    with connect(f"ws://{address}/v1/realtime") as client:
        with contextlib.suppress(ConnectionClosed):
            client.send("x" * (LIMITS.socket_bytes + 1))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                client.recv(timeout=10)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


def test_a_length_that_is_only_claimed_takes_no_memory(address, healthy):
    plain, _ = raw(address)
    with plain:
        plain.sendall(struct.pack("!BBQ", 0x81, 0xFF, 1 << 40) + b"\0\0\0\0")
        assert is_ended(plain)


def test_a_message_in_endless_empty_pieces_is_cut_off(address, healthy):
    plain, _ = raw(address)
    with plain:
        plain.sendall(frame(TEXT, b"{", is_last=False))
        with contextlib.suppress(OSError):
            for _ in range(100):
                plain.sendall(frame(CONTINUED, is_last=False) * 1_000)
        assert is_ended(plain)


def test_words_that_are_no_words_end_their_own_socket_alone(address, healthy):
    plain, _ = raw(address)
    with plain:
        plain.sendall(frame(TEXT, b"\xff\xfe\xed"))
        assert is_ended(plain)


@pytest.mark.parametrize("data", [b"\x83\x00", b"\xf1\x80\0\0\0\0", b"\x89\xff" + b"\xff" * 12, b"\x01\x00\x81\x00"])
def test_frames_against_the_protocol_end_their_own_socket_alone(address, healthy, data):
    plain, _ = raw(address)
    with plain:
        plain.sendall(data)
        assert is_ended(plain)


def test_compression_is_not_spoken_so_nothing_small_becomes_large(address, healthy):
    offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15"
    plain, answer = raw(address, headers=[offer])
    with plain:
        assert b"permessage-deflate" not in answer
        plain.sendall(b"\xc1" + frame(TEXT, b"\xed\xc1\x01")[1:])  # Marked as compressed all the same.
        assert is_ended(plain)


def test_pings_whose_answers_nobody_reads_are_cut_off(address, healthy):
    plain, _ = raw(address)
    with plain:
        plain.settimeout(10)
        with pytest.raises(ConnectionError):  # A TimeoutError, an OSError too, would mean that it was only held back.
            for _ in range(2_000):
                plain.sendall(frame(PING, b"x" * 125) * 1_000)


def test_a_client_that_reads_nothing_is_cut_off(address, healthy, omni):
    plain, _ = raw(address)
    with plain:
        # Errors quote what was wrong, so each of these is answered with more than a kilobyte.
        wrong = frame(TEXT, json.dumps({"type": "x" * 80, "event_id": "y" * 512}).encode())
        with pytest.raises(ConnectionError):
            plain.settimeout(10)
            while True:
                plain.sendall(wrong * 100)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/\\..\\app.py",
    ],
)
def test_no_path_leads_out_of_the_pages_files(address, healthy, path):
    with opened(address) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := plain.recv(1 << 16):
            answer += piece
    assert answer[9:12] in (b"400", b"404") and b"import" not in answer and b"root:" not in answer


def test_no_link_leads_out_of_the_pages_files():
    assert [path for path in STATIC.rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Host": "evil.example"},
    ],
)
def test_other_sites_pages_get_no_session(address, healthy, headers):
    with pytest.raises(InvalidStatus) as refused:
        name = headers.pop("Host", None)
        if name:
            plain = opened(address)
            with connect(f"ws://{name}/v1/realtime", sock=plain):
                pass
        else:
            with connect(f"ws://{address}/v1/realtime", additional_headers=headers):
                pass
    assert refused.value.response.status_code == 403


def test_a_thousand_connections_one_after_another_leave_nothing_behind(address, healthy):
    for number in range(1_000):
        with opened(address) as plain:
            if number % 3 == 0:
                plain.sendall(b"GET")
            elif number % 3 == 1:
                plain.sendall(f"GET /ready HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    text = wait_for(lambda: (told := get(f"http://{address}/metrics")[1]) and "omniloom_connections" in told and told)
    wait_for(lambda: 'omniloom_connections{worker="0"} 2.0' in get(f"http://{address}/metrics")[1])
    assert 'omniloom_sessions{worker="0"} 1.0' in text


def wait_for(asked, *, within_s=10.0):
    deadline_s = time.monotonic() + within_s
    while not (found := asked()):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found
