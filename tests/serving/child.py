"""`omniloom serve` as a child process, as a service manager runs it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

START_S = 120.0


class Child:
    """One server and what it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._out, self._log = folder / "out", folder / "log"
        command = [sys.executable, "-m", "omniloom.cli", "serve", *options]
        with self._out.open("w") as out, self._log.open("a") as log:
            # Line by line, as a terminal gets it.
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=environment)

    def wait_until_ready(self) -> str:
        """The "scheme://host:port" that it prints once it serves."""
        found = self.wait_for(lambda: re.search(r"address +(\S+)", self._out.read_text()))
        assert found, self.log
        return str(found[1])

    def wait_for(self, asked, *, within_s: float = START_S):
        """What `asked` gives once it gives something; what it gave last where the server ended or time was up."""
        deadline_s = time.monotonic() + within_s
        while not (found := asked()) and time.monotonic() < deadline_s and self.process.poll() is None:
            time.sleep(0.05)
        return found

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def greeting(self) -> str:
        return self._out.read_text()

    @property
    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Child]:
    """A server that is there until the block ends, however that ends."""
    child = Child(folder, *options)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
        child.process.wait(10)


def get(address: str, *, key: str | None = None) -> tuple[int, str]:
    """Status and body of one request."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
