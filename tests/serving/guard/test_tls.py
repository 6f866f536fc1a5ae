"""Half a handshake of TLS holds a connection no longer than half a request does."""

from __future__ import annotations

import socket
import subprocess
import threading
import time

import pytest

from omniloom.serving.listening import listen
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.serve import ServeOptions, make_server

HEAD_S = 0.5
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a client's first message begins; 500 bytes of it are to come."""


@pytest.fixture
def port(omni, tmp_path):
    """That of a server that speaks TLS."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=loom"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    options = ServeOptions(
        checkpoint="fake", tls_cert=str(cert), tls_key=str(key), limits=Limits(head_s=HEAD_S, drain_s=1.0)
    )
    listener, is_up = listen("127.0.0.1", 0), threading.Event()
    server = make_server(options, omni)
    server.on_ready = is_up.set
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert is_up.wait(10)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("begun", [b"", HELLO], ids=["nothing", "half-a-hello"])
def test_half_a_handshake_is_cut_off_as_half_a_request_is(port, begun):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        start_s = time.monotonic()
        plain.sendall(begun)
        assert plain.recv(1) == b"", "the server said something"
        assert time.monotonic() - start_s >= HEAD_S * 0.9
