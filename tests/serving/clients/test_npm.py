"""The openai package of npm, all three of its connections, against a server with TLS: they speak nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent

SCRIPT = Path(__file__).with_name("talk.cjs")
CLIENTS = Path(os.environ.get("OMNILOOM_CLIENTS", Path(__file__).parents[3] / "build" / "clients"))

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(
        shutil.which("node") is None or not (CLIENTS / "node_modules" / "openai").exists(),
        reason="node or its package openai is missing; run make clients",
    ),
]

GA_SESSION = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}},
}
BETA_SESSION = {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine that signed itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing, which makes the certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run(
        [*command, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def secure_address(tiny_omni, certificate, serving):
    cert, key = certificate
    with serving(tiny_omni, tls_cert=str(cert), tls_key=str(key)) as address:
        yield address


@pytest.mark.parametrize(
    ("kind", "session", "union", "prefix"),
    [
        ("ws", GA_SESSION, RealtimeServerEvent, "response.output_audio"),
        ("websocket", GA_SESSION, RealtimeServerEvent, "response.output_audio"),
        ("beta", BETA_SESSION, BetaServerEvent, "response.audio"),
    ],
)
def test_a_spoken_question_is_answered(
    secure_address, certificate, digit, check_official, seconds_of, kind, session, union, prefix
):
    asked = {
        "url": f"https://{secure_address}/v1",
        "kind": kind,
        "session": session,
        "pieces": list(digit.pieces()),
    }
    environment = {
        **os.environ,
        "NODE_PATH": str(CLIENTS / "node_modules"),
        "NODE_EXTRA_CA_CERTS": str(certificate[0]),
    }
    done = subprocess.run(
        ["node", str(SCRIPT)],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    for event in events:
        if kind == "beta" and "model" in event.get("session", {}):
            event["session"]["model"] = "gpt-realtime"  # The beta models list OpenAI's own names alone.
        check_official(union, event)
    said = "".join(event["delta"] for event in events if event["type"] == f"{prefix}_transcript.delta")
    sound = [event["delta"] for event in events if event["type"] == f"{prefix}.delta"]
    assert digit.answer in said and seconds_of(sound) > 0.2
    done = [event["response"]["status"] for event in events if event["type"] == "response.done"]
    assert done == ["completed"]
