"""Two replicas behind Ray Serve: both are used, one is killed, and the sessions of the other go on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.serving.child import get

openai = pytest.importorskip("openai", reason="the package openai[realtime] is missing; pip install it")
pytest.importorskip("ray.serve", reason="the extra ray is missing; pip install 'omniloom[serve,ray]'")

pytestmark = [pytest.mark.service, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "deploy" / "ray_serve.py"
QUESTION = "I see a green circle. What colour is the circle?"


@pytest.fixture
def cluster(tmp_path):
    """The process of the example and its address, once both replicas are ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("w+") as log:
        command = [sys.executable, str(EXAMPLE), "--replicas", "2", "--port", str(port)]
        # A session of its own, so that whatever Ray starts can be ended with it.
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True)
        try:
            wait_for(lambda: "2 replicas serve" in (tmp_path / "log").read_text() or process.poll() is not None, 240)
            assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
            yield process, f"http://127.0.0.1:{port}"
        finally:
            descendants = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            for left in [*descendants, process]:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    left.kill()
            process.wait(10)


def wait_for(asked, within_s=60.0):
    deadline_s = time.monotonic() + within_s
    while not (found := asked()):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    return found


def ask(connection):
    connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
    content = [{"type": "input_text", "text": QUESTION}]
    connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    connection.response.create()
    for event in connection:
        if event.type == "response.done":
            return event.response.output[0].content[0].text


def told(address):
    """Open sessions by replica, as one of them tells of itself."""
    status, text = get(f"{address}/metrics")
    assert status == 200
    return dict(re.findall(r'omniloom_sessions\{worker="(\w+)"\} (\S+)', text))


def test_sessions_of_one_replica_go_on_when_the_other_is_killed(cluster):
    process, address = cluster
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=5)
    with contextlib.ExitStack() as stack:
        sessions, busy = [], {}

        def both_are_used():
            if len(sessions) < 8:
                sessions.append(stack.enter_context(client.realtime.connect(model="tiny")))
                assert ask(sessions[-1]) == "green"
            busy.update(told(address))
            return len([number for number in busy.values() if float(number) > 0]) == 2

        wait_for(both_are_used)
        replicas = [
            child for child in psutil.Process(process.pid).children(recursive=True) if "ServeReplica" in child.name()
        ] or [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "ServeReplica" in " ".join(child.cmdline())
        ]
        assert len(replicas) == 2
        os.kill(replicas[0].pid, signal.SIGKILL)

        def goes_on(session):
            try:
                return ask(session) == "green"
            except Exception as error:
                assert "Connection" in type(error).__name__, error
                return False

        kept = [goes_on(session) for session in sessions]
        assert any(kept) and not all(kept)
        message = [{"role": "user", "content": QUESTION}]
        assert client.chat.completions.create(model="tiny", messages=message).choices[0].message.content == "green"
        before = set(busy)
        wait_for(lambda: set(told(address)) - before, 120)  # Ray has started another in its place.
