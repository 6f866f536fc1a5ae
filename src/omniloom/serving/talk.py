"""`omniloom talk`: load a model, serve the page on this machine, say where it is.

The same server as `omniloom serve`, with one worker, no keys and no log of requests. It speaks no TLS, so it stays on
this machine unless told otherwise in so many words.
"""

from __future__ import annotations

import sys
import threading
import webbrowser
from pathlib import Path

import torch
from rich.console import Console

from omniloom.core.processes import keep_few_arenas
from omniloom.generation import Omni
from omniloom.serving import serve
from omniloom.serving.listening import listen as listen
from omniloom.serving.listening import page_address as page_address
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.warming import warm_up
from omniloom.serving.server import DrainingServer
from omniloom.serving.telemetry.logs import write_logs


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
    with listen(host, port) as listener:
        port = listener.getsockname()[1]
        write_logs(level="warning", log_format="text")
        torch.set_num_threads(1)
        keep_few_arenas()
        console.print(f"Loading [bold]{checkpoint}[/bold] …")
        omni = Omni.load(checkpoint, precision="auto")
        warm_up(omni)
        name = Path(checkpoint).resolve().name
        server = make_server(omni, model_name=name, is_local=is_local, turns_remembered=turns_remembered)
        address = page_address(host, port)
        if not is_local:
            console.print(
                "[yellow]Warning:[/yellow] everyone who can reach this machine can use the model: there is no key and "
                "no encryption, and browsers allow the microphone only over https or on localhost. omniloom serve has "
                "both."
            )
        console.print(
            f"\n  omniloom is ready. Open this page:\n\n      [bold]{address}[/bold]\n\n  Stop with Ctrl-C.\n"
        )
        if open_browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        server.owns_process = True
        server.run(sockets=[listener])


def make_server(
    omni: Omni,
    *,
    model_name: str,
    is_local: bool = True,
    turns_remembered: int | None = None,
    limits: Limits = Limits(),
) -> DrainingServer:
    """A server that is not running yet; `run(sockets=[…])` runs it."""
    options = serve.ServeOptions(
        checkpoint=model_name,
        host="127.0.0.1" if is_local else "0.0.0.0",
        turns_remembered=turns_remembered,
        limits=limits,
    )
    return serve.make_server(options, omni)


def check_host(host: str, *, allow_remote: bool) -> bool:
    """Whether the host is this machine's own.

    Raises:
        ValueError: If it is not, and that was not allowed.
    """
    is_local = serve.is_loopback(host)
    if not is_local and not allow_remote:
        raise ValueError(
            f"host {host!r} would let other machines use the model without a key; leave it out, add --allow-remote, or "
            "see omniloom serve --help for keys and TLS"
        )
    return is_local
