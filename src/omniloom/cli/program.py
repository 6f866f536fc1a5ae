"""`omniloom COMMAND …`: finds the command, parses its options, runs it, and turns errors into one line.

A command is a module of `commands` with `SUMMARY`, `EXAMPLES`, `add_arguments(parser)` and `run(options)`, and where it
needs it `prepare(arguments)`, called before its options are known. It is imported only when it is asked for, so that
`omniloom --help` needs no torch and answers at once. argparse was kept over tyro here because the commands take few
plain options, and an unknown one can be answered with the nearest that there is.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from omniloom import __version__
from omniloom.cli.parsing import Parser
from omniloom.core.nearest import unknown_name
from omniloom.sandbox.box import SandboxError, SandboxUnavailable

COMMANDS = {
    "talk": "serve a model and open a page to talk to it",
    "serve": "serve a model to programs and people, with keys, TLS and limits",
    "keys": "make, list and revoke the API keys of a server",
    "ask": "ask one question, with pictures and sound, and get one reply",
    "train": "train a model by a recipe",
    "decode": "translate texts with a model trained on pairs, from a file or a terminal",
    "checkpoint": "average a run's checkpoints, or export a model of pairs",
    "evaluate": "measure a model",
    "reproduce": "run a published system small, beside what its paper says",
    "codec": "train or measure the codec of one modality",
    "recipes": "list what can be trained, with every setting",
    "problems": "list what there is to learn, and look at examples",
    "doctor": "report what this machine has and what is missing",
}

EXIT_ERROR = 2
EXIT_STOPPED = 130

EXTRAS = {
    "fastapi": "serve",
    "uvicorn": "serve",
    "websockets": "serve",
    "pydantic": "serve",
    "prometheus_client": "serve",
    "silero_vad": "serve",
    "espeakng_loader": "speech",
    "transformers": "hf",
    "sacrebleu": "translate",
    "polib": "translate",
    "openai": "eval",
    "tensorboard": "train",
    "matplotlib": "train",
}
"""The extra that brings a library which commands need and core does not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for an error of the user's, 130 when stopped by Ctrl-C."""
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as stop:
        print(f"omniloom: {str(stop) or 'stopped'}", file=sys.stderr)
        return EXIT_STOPPED
    except BrokenPipeError:
        # The reader has gone, as in `omniloom problems | head`; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _fail(ValueError(f"{error.name} is not installed; run pip install 'omniloom[{EXTRAS[error.name]}]'"))
    except (ValueError, OSError, SandboxUnavailable, SandboxError) as error:
        return _fail(error)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"omniloom {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise unknown_name(kind, name, [*COMMANDS, "--help", "--version"] if kind == "option" else COMMANDS)
    command = import_module(f"omniloom.cli.commands.{name}")
    if hasattr(command, "prepare"):
        command.prepare(arguments[1:])
    parser = Parser(
        prog=f"omniloom {name}",
        description=command.SUMMARY,
        epilog="examples:\n" + "".join(f"  {line}\n" for line in command.EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    options = parser.parse_args(arguments[1:])
    options.command = shlex.join(["omniloom", *arguments])
    return int(command.run(options) or 0)


def _overview() -> str:
    rows = "".join(f"  {name:<10} {summary}\n" for name, summary in COMMANDS.items())
    return (
        "usage: omniloom COMMAND [options]\n\n"
        "Train, study and serve your own omni model: text, sound and pictures in one stream.\n\n"
        f"commands:\n{rows}\n"
        "omniloom COMMAND --help shows a command's options and examples.\n"
        "OMNILOOM_DEBUG=1 shows where an error came from."
    )


def _fail(error: Exception) -> int:
    if os.environ.get("OMNILOOM_DEBUG"):
        traceback.print_exception(error)
    message = " ".join(_message(error).split())
    print(f"omniloom: error: {message}", file=sys.stderr)
    return EXIT_ERROR


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error) or type(error).__name__
