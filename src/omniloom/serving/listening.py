"""Taking an address: a socket that listens, or one line that says why it cannot."""

from __future__ import annotations

import errno
import socket

BACKLOG = 1_024


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes any free one.

    Raises:
        ValueError: If the address is taken or does not exist.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A port whose last connections still fade can be taken again at once, so that a killed server restarts.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            message = f"port {port} is taken by another program; try --port {port + 1}, or stop that program"
        else:
            message = f"cannot listen on {host}:{port} ({error}); give an address of this machine and a port to 65535"
        raise ValueError(message) from error
    return listener


def page_address(host: str, port: int, *, scheme: str = "http") -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"
