"""What `omniloom talk` refuses, with which words, and what it prints."""

from __future__ import annotations

import socket

import pytest
import uvicorn

from omniloom.generation import Omni
from omniloom.serving.talk import check_host, listen, page_address, talk


def test_a_taken_port_is_named_with_a_way_out():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} is taken .* --port {port + 1}"):
            talk("tiny", port=port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("203.0.113.7", 0)])
def test_an_impossible_address_is_one_clear_error(host, port):
    with pytest.raises(ValueError, match="cannot listen on"):
        listen(host, port)


def test_other_machines_are_let_in_only_when_told():
    assert check_host("127.0.0.1", allow_remote=False) and check_host("localhost", allow_remote=False)
    assert check_host("::1", allow_remote=False)
    with pytest.raises(ValueError, match="--allow-remote"):
        check_host("0.0.0.0", allow_remote=False)
    assert check_host("0.0.0.0", allow_remote=True) is False


def test_an_unknown_checkpoint_is_an_error_and_frees_the_port():
    with pytest.raises(ValueError):
        talk("no-such-checkpoint", port=0)


def test_the_address_is_printed_where_it_can_be_clicked(monkeypatch, capsys, omni):
    monkeypatch.setattr(Omni, "load", classmethod(lambda cls, name, precision: omni))
    served = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: served.append(sockets[0].getsockname()))
    talk("tiny", port=0)
    assert f"http://127.0.0.1:{served[0][1]}" in capsys.readouterr().out
    assert page_address("0.0.0.0", 5) == "http://127.0.0.1:5" and page_address("::1", 5) == "http://[::1]:5"
    with socket.socket() as free:
        free.bind(served[0])
