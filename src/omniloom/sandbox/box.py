"""The host's side of one containment: starts its server, sends it programs, and starts it again should it die."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from omniloom.sandbox.job import Job, Outcome, Result
from omniloom.sandbox.server import BOOTSTRAP, SENT
from omniloom.sandbox.wire import Channel, write_file

SOURCES = Path(__file__).parents[2]
START_S = 30.0
GRACE_S = 10.0
"""What a run may take beyond its wall time before its server counts as dead."""


class SandboxUnavailable(RuntimeError):
    """This machine gives no containment, so nothing was run."""


class SandboxError(RuntimeError):
    """The sandbox itself failed, not the program."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of containment, whether it is in force, and why not."""

    name: str
    is_on: bool
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.is_on else 'off'}{self.why and f' ({self.why})'}"


class Sandbox:
    """A place to run untrusted programs in, one after another, each in a process that knows nothing of the others.

        with Sandbox() as sandbox:
            sandbox.run(Job(program="def double(x): return 2 * x", test="assert double(4) == 8")).passed

    Use one from one thread at a time; `run_many` uses several. Closed, it leaves nothing behind.

    Args:
        allow_uncontained: Where the kernel gives no namespaces, run all the same, with limits and the filter of system
            calls where there is one, but with the host's files in reach.
        folders: Read-only folders that programs may import from, such as a `site-packages`.

    Raises:
        SandboxUnavailable: If there is no containment here and it was not waived.
    """

    layers: tuple[Layer, ...]
    """What is in force."""
    _process: subprocess.Popen[bytes] | None = None
    _is_killed = False
    _connection: socket.socket
    _channel: Channel

    def __init__(self, *, allow_uncontained: bool = False, folders: Sequence[str | Path] = ()) -> None:
        self._allow_uncontained = allow_uncontained
        self._folders = [os.path.realpath(folder) for folder in folders]
        for folder in self._folders:
            if not os.path.isdir(folder):
                raise ValueError(f"folders must be folders to import from, got {folder}")
            if os.geteuid() == 0 and not os.stat(folder).st_mode & 0o001:
                raise ValueError(f"{folder} is seen inside by the user nobody, who may not read it: chmod 755 {folder}")
        self._start()

    def run(self, job: Job) -> Result:
        """How this job ends.

        Raises:
            SandboxError: If the sandbox itself fails, twice in a row.
        """
        result = self._exchange(job)
        if result is None:
            if self._is_killed:
                raise SandboxError("the sandbox was killed in the middle of a program")
            self.close()
            self._start()
            result = self._exchange(job)
        if result is None:
            return Result(outcome=Outcome.KILLED, message="the sandbox ended twice in the middle of this program")
        return result

    def close(self) -> None:
        """End the server and with it every process inside."""
        if self._process is None:
            return
        self._channel.close()
        try:
            self._process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def kill(self) -> None:
        """End a run in progress from another thread, for good; who waits for it gets a SandboxError."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, job: Job) -> Result | None:
        """How it ended; None where the server died over it."""
        if self._process is None:
            raise ValueError("this sandbox is closed; open another")
        files = [write_file(message) for message in job.messages()]
        self._connection.settimeout(job.limits.wall_s + GRACE_S)
        try:
            socket.send_fds(self._connection, [json.dumps(job.limits.for_server()).encode("ascii")], files)
            told = self._channel.receive()
            if told is None:
                return None
            if "broken" in told:
                raise SandboxError(f"a program could not be contained: {told['broken']}")
            parts = [self._channel.exactly(size) or b"" for size in told["sizes"]]
        except OSError:
            self._process.kill()
            return None
        finally:
            for fd in files:
                os.close(fd)
        return Result.from_server(told, dict(zip(SENT, parts, strict=True)))

    def _start(self) -> None:
        if sys.platform != "linux":
            raise SandboxUnavailable(f"untrusted programs are contained by Linux, and this is {sys.platform}")
        told = self._begin(uncontained=None)
        if "refused" in told and self._allow_uncontained:
            told = self._begin(uncontained=told["refused"])
        if "refused" in told:
            raise SandboxUnavailable(
                f"this machine does not contain untrusted programs: {told['refused']}. It needs user namespaces; "
                "set sysctls kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0, "
                "or, in a container, another seccomp profile. allow_uncontained=True (--allow-uncontained) runs "
                "programs with limits alone, the host's files in reach"
            )
        self.layers = tuple(Layer(name=name, is_on=is_on, why=why) for name, is_on, why in told["layers"])

    def _begin(self, *, uncontained: str | None) -> dict[str, Any]:
        """Start a server; its layers, or why it was refused, when it has ended again."""
        ours, theirs = socket.socketpair()
        config = {"folders": self._folders, "socket": theirs.fileno(), "uncontained": uncontained}
        start = BOOTSTRAP.format(root=SOURCES, module="begin")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-P", "-B", "-s", "-c", start, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env={"LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(START_S)
        self._connection, self._channel = ours, Channel(ours)
        try:
            told = self._channel.receive()
        except TimeoutError:
            told = None
        if told is None:
            told = {"refused": self._last_words()}
        if "refused" in told:
            self.close()
        return told

    def _last_words(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        self._process.kill()
        return self._process.stderr.read(4_000).decode("utf-8", "replace").strip() or "its server did not start"


def capabilities() -> tuple[Layer, ...]:
    """The layers of containment on this machine, each with the reason where it is off."""
    if sys.platform != "linux":
        return (Layer(name="namespaces", is_on=False, why=f"this is {sys.platform}, not Linux"),)
    with Sandbox(allow_uncontained=True) as sandbox:
        return sandbox.layers
