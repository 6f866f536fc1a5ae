"""`omniloom talk`: a server on this machine and a page to talk to the model."""

from __future__ import annotations

import argparse

from omniloom.cli.parsing import Parser

SUMMARY = "Serve a model and print the address of a page where you type, speak or show a picture."
EXAMPLES = (
    "omniloom talk",
    "omniloom talk --open",
    "omniloom talk --port 9000 --checkpoint runs/mine/checkpoint",
    "omniloom talk --host 0.0.0.0 --allow-remote     # everyone who reaches this machine can use it",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port, default=7860, help="port to listen on; 0: any free one (default: 7860)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--allow-remote", action="store_true", help="let other machines in, without any key")
    parser.add_argument("--checkpoint", default="tiny", help="a shipped model's name or a folder (default: tiny)")


def run(options: argparse.Namespace) -> int:
    from omniloom.serving.talk import talk

    talk(
        options.checkpoint,
        host=options.host,
        port=options.port,
        open_browser=options.open,
        allow_remote=options.allow_remote,
    )
    return 0


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, got {text!r}")
    return int(text)
