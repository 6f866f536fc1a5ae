"""`omniloom talk`: load a model, serve the page, say where it is.

The address is taken before the model is loaded, so a port in use is told at once. One torch thread, as
`benchmarks/generation/bench_decode.py` measures: threads would wait for each other at every token where another process
holds a core. The server speaks no TLS and asks for no key, so it stays on this machine unless told otherwise in so many
words.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import torch
import uvicorn
from rich.console import Console

from omniloom.generation import Omni
from omniloom.serving.app import create_app
from omniloom.serving.realtime.limits import Limits

SOCKET_BYTES = 32 * 1024 * 1024
"""Longest message that is read off a socket at all; from `Limits.event_bytes` up to this the session tells an error."""


def talk(
    checkpoint: str | Path = "tiny",
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
    allow_remote: bool = False,
    turns_remembered: int = 0,
) -> None:
    """Serve a model until Ctrl-C, with a page to talk to it.

    `turns_remembered` earlier turns are kept in mind. A model that has not learned to leave aside a turn of another
    subject, as `tiny` has not, answers best with none.

    Raises:
        ValueError: If the address is taken or not this machine's own, or the checkpoint cannot be loaded.
    """
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    is_local = check_host(host, allow_remote=allow_remote)
    listener = listen(host, port)
    port = listener.getsockname()[1]
    try:
        torch.set_num_threads(1)
        console.print(f"Loading [bold]{checkpoint}[/bold] …")
        omni = Omni.load(checkpoint)
        name = Path(checkpoint).resolve().name
        server = make_server(omni, model_name=name, is_local=is_local, turns_remembered=turns_remembered)
        address = page_address(host, port)
        if not is_local:
            console.print(
                "[yellow]Warning:[/yellow] everyone who can reach this machine can use the model: there is no key and "
                "no encryption, and browsers allow the microphone only over https or on localhost."
            )
        console.print(
            f"\n  omniloom is ready. Open this page:\n\n      [bold]{address}[/bold]\n\n  Stop with Ctrl-C.\n"
        )
        if open_browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        server.run(sockets=[listener])
    finally:
        listener.close()


def make_server(
    omni: Omni,
    *,
    model_name: str,
    is_local: bool = True,
    turns_remembered: int | None = None,
    limits: Limits = Limits(),
) -> uvicorn.Server:
    """A server that is not running yet; `run(sockets=[…])` runs it."""
    app = create_app(omni, model_name=model_name, limits=limits, is_local=is_local, turns_remembered=turns_remembered)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws="websockets-sansio",
        ws_max_size=SOCKET_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def check_host(host: str, *, allow_remote: bool) -> bool:
    """Whether the host is this machine's own.

    Raises:
        ValueError: If it is not, and that was not allowed.
    """
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local and not allow_remote:
        raise ValueError(
            f"host {host!r} would let other machines use the model without a key; leave it out or add --allow-remote"
        )
    return is_local


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes any free one.

    Raises:
        ValueError: If the address is taken or does not exist.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            message = f"port {port} is taken by another program; try --port {port + 1}, or stop that program"
        else:
            message = f"cannot listen on {host}:{port} ({error}); give an address of this machine and a port to 65535"
        raise ValueError(message) from error
    return listener


def page_address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
