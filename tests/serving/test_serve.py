"""`omniloom serve` as it runs: real processes, the official client, signals, and what stands in the logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request

import pytest
from tests.serving.child import get, serving

from omniloom.serving.guard.keys import KeyFile

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")

pytestmark = pytest.mark.service

SECRET_WORDS = "I see a green circle. What colour is the circle?"


@pytest.fixture
def key_file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


def ask(connection, text, modalities=("text",)):
    connection.session.update(session={"type": "realtime", "output_modalities": list(modalities)})
    content = [{"type": "input_text", "text": text}]
    connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    connection.response.create()


def until(connection, kind):
    for event in connection:
        if event.type == kind:
            return event
    raise AssertionError(f"no {kind} came")


def client_of(address, key="none"):
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key)


def test_a_conversation_with_a_key_leaves_no_trace_of_key_or_words_in_the_logs(tmp_path, key_file):
    key = key_file.create("laptop")
    options = ("--port", "0", "--api-keys", str(key_file.path), "--log-format", "json")
    with serving(tmp_path, *options) as child:
        address = child.wait_until_ready()
        assert "asked for" in child.greeting and "tiny" in child.greeting
        assert get(f"{address}/ready")[0] == 200 and get(f"{address}/metrics")[0] == 401
        # What warming up took is nobody's.
        told = get(f"{address}/metrics", key=key)[1]
        assert "omniloom_tokens_total{" not in told and "omniloom_responses_total{" not in told
        with pytest.raises(Exception, match="401"), client_of(address, "olk_wrong_key").realtime.connect(model="tiny"):
            pass
        with client_of(address, key).realtime.connect(model="tiny") as connection:
            ask(connection, SECRET_WORDS)
            answer = until(connection, "response.done").response.output[0].content[0].text
            assert answer == "green"
            connection.send({"type": "nonsense-secret", "secret": SECRET_WORDS})
            assert until(connection, "error").error.code == "unknown_event_type"
        assert get(f"{address}/?q=secret-in-the-address")[0] == 200
        text = get(f"{address}/metrics", key=key)[1]
        assert 'omniloom_sessions_opened_total{route="/v1/realtime",worker="0"} 1.0' in text
        assert child.end() == 0
    lines = [json.loads(line) for line in child.log.splitlines()]
    sockets = [line for line in lines if line.get("route") == "/v1/realtime" and line["what"] == "opened"]
    assert [line["client"] for line in sockets] == [f"key:{key.split('_')[1]}"]
    for secret in (key, key.split("_", 2)[2], "olk_wrong_key", "circle", "green", "secret"):
        assert secret not in child.log, secret


def test_killed_and_started_again_it_serves_at_the_same_port_at_once(tmp_path):
    with serving(tmp_path, "--port", "0") as child:
        address = child.wait_until_ready()
        with client_of(address).realtime.connect(model="tiny") as connection:
            ask(connection, SECRET_WORDS)
            until(connection, "response.created")
            assert child.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(tmp_path, "--port", address.rpartition(":")[2]) as child:
        assert child.wait_until_ready() == address
        with client_of(address).realtime.connect(model="tiny") as connection:
            ask(connection, SECRET_WORDS)
            assert until(connection, "response.done").response.status == "completed"


def test_sigterm_tells_sessions_why_and_a_second_signal_ends_at_once(tmp_path):
    with serving(tmp_path, "--port", "0") as child:
        address = child.wait_until_ready()
        with client_of(address).realtime.connect(model="tiny") as connection:
            until(connection, "session.created")
            child.process.send_signal(signal.SIGTERM)
            assert until(connection, "error").error.code == "server_draining"
            with pytest.raises(Exception, match="1012"):
                connection.recv()
        assert child.process.wait(30) == 0
    with serving(tmp_path, "--port", "0") as child:
        address = child.wait_until_ready()
        # A request whose body never comes keeps the drain waiting.
        request = urllib.request.Request(f"{address}/v1/audio/transcriptions", method="POST")
        import http.client

        held = http.client.HTTPConnection(request.host)
        held.putrequest("POST", "/v1/nothing")
        held.putheader("Content-Length", "10")
        held.endheaders()
        child.process.send_signal(signal.SIGINT)
        assert child.wait_for(lambda: "draining" in child.log)
        assert child.end(signal.SIGTERM) == 128 + signal.SIGTERM
        held.close()


def test_workers_share_a_port_are_replaced_when_they_die_and_end_with_their_supervisor(tmp_path):
    with serving(tmp_path, "--port", "0", "--workers", "2") as child:
        address = child.wait_until_ready()
        before = {worker.pid for worker in child.workers}
        assert len(before) == 2
        with client_of(address).realtime.connect(model="tiny") as connection:
            until(connection, "session.created")
            serves = {connection_owner(child, address)}
            (victim,) = before - serves
            os.kill(victim, signal.SIGKILL)
            assert child.wait_for(lambda: len({worker.pid for worker in child.workers} - before) == 1)
            ask(connection, SECRET_WORDS)
            assert until(connection, "response.done").response.output[0].content[0].text == "green"
        assert child.wait_for(lambda: {'worker="0"', 'worker="1"'} <= workers_told(address))
        # Without its supervisor no worker stays behind to hold the port.
        orphans = child.workers
        child.end(signal.SIGKILL)
        for orphan in orphans:
            orphan.wait(10)
    port = address.rpartition(":")[2]
    with serving(tmp_path, "--port", port, "--workers", "2") as child:
        assert child.wait_until_ready() == address
        with client_of(address).realtime.connect(model="tiny") as connection:
            until(connection, "session.created")
            child.process.send_signal(signal.SIGTERM)
            assert until(connection, "error").error.code == "server_draining"
        assert child.process.wait(30) == 0


def test_workers_that_cannot_start_are_not_tried_forever(tmp_path):
    with serving(tmp_path, "no-such-checkpoint", "--port", "0", "--workers", "2") as child:
        assert child.process.wait(60) == 2
    assert "no-such-checkpoint" in child.log


def test_tls_is_spoken_and_a_new_certificate_is_taken_on_sighup(tmp_path):
    first = certificate(tmp_path, "first")
    options = ("--port", "0", "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with serving(tmp_path, *options) as child:
        address = child.wait_until_ready()
        assert address.startswith("https://")
        assert served_certificate(address) == first
        second = certificate(tmp_path, "second")
        child.process.send_signal(signal.SIGHUP)
        assert child.wait_for(lambda: served_certificate(address) == second)
        assert child.end() == 0


def workers_told(address):
    text = get(f"{address}/metrics")[1]
    return {f'worker="{number}"' for number in range(3) if f'omniloom_memory_bytes{{worker="{number}"}}' in text}


def connection_owner(child, address):
    """The worker that holds the one open socket."""
    port = int(address.rpartition(":")[2])
    for worker in child.workers:
        for found in worker.net_connections():
            if found.status == "ESTABLISHED" and found.laddr.port == port:
                return worker.pid
    raise AssertionError("no worker has a connection")


def certificate(folder, name):
    """Make a certificate that signs itself; its PEM without spaces."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    return (folder / "cert.pem").read_text().split()


def served_certificate(address):
    import ssl

    host, _, port = address.removeprefix("https://").partition(":")
    return ssl.get_server_certificate((host, int(port))).split()
