"""A server of its own process on loopback for the benchmarks, as `omniloom talk` or `omniloom serve` starts it.

The client never shares a process with it, so what is measured holds for a client elsewhere but for the network.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 120.0


@dataclass(frozen=True)
class Server:
    """One that runs."""

    process_id: int
    address: str
    """"host:port"."""

    @property
    def url(self) -> str:
        return f"ws://{self.address}/v1/realtime?model=tiny"

    def rss_bytes(self) -> int:
        """What of the process lies in memory, shared pages of files included."""
        return self._status("VmRSS")

    def private_bytes(self) -> int:
        """What of it belongs to it alone: its anonymous pages."""
        return self._status("RssAnon")

    def cpu_s(self) -> float:
        """Seconds it has spent on cores so far."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def num_threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process_id}/task"))

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.process_id}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise ValueError(f"/proc tells no {field} of process {self.process_id}")


@contextmanager
def running_server(
    *, core: int | None = None, command: str = "serve", options: Sequence[str] = (), num_sessions: int | None = None
) -> Iterator[Server]:
    """Serve the shipped model for a while, on one core if it is given; OMP_NUM_THREADS=1.

    `num_sessions` may be open at once, all of them of this one client; None leaves what is so by default.

    Raises:
        RuntimeError: If it does not answer within two minutes.
    """
    port = _free_port()
    words = [sys.executable, "-m", "omniloom.cli", command, *(["tiny"] if command == "serve" else [])]
    words += ["--port", str(port), *options]
    if num_sessions is not None:
        words += ["--limit", f"sessions={num_sessions}", "--limit", f"sessions_per_client={num_sessions}"]
    if core is not None:
        words = ["taskset", "-c", str(core), *words]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, port, log)
            yield Server(process.pid, f"127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.seek(0)
            if told := [line for line in log.read().splitlines() if "ERROR" in line or "Traceback" in line]:
                print(f"the server's log tells of {len(told)} errors, the first: {told[0]}", file=sys.stderr)


def pin_to(core: int | None) -> None:
    """Keep this process on one core, away from the server's."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen, port: int, log) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"the server did not come up: {log.read()[-2000:]}")
