"""`omniloom doctor`: what this machine has, what is missing, and what to run about it."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from omniloom import __version__
from omniloom.cli.parsing import Parser

SUMMARY = "Report what this machine has and what is missing; exit 1 if something that the model needs is."
EXAMPLES = ("omniloom doctor", "omniloom doctor --checkpoint runs/mine/checkpoint")

LIBRARIES = {
    "train": ("tensorboard", "matplotlib"),
    "serve": (
        "fastapi",
        "uvicorn",
        "websockets",
        "pydantic",
        "prometheus-client",
        "silero-vad",
        "av",
        "python-multipart",
    ),
    "speech": ("espeakng-loader",),
}


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--checkpoint", default="tiny", help="the model to try to load (default: tiny)")


def run(options: argparse.Namespace) -> int:
    checks: list[tuple[str, Callable[[], str]]] = [
        ("omniloom", lambda: f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"),
        ("torch", _torch),
        ("processor", _processor),
        ("native", _native),
        *((f"[{extra}]", lambda names=names, extra=extra: _extra(extra, names)) for extra, names in LIBRARIES.items()),
        ("data", _data),
        (options.checkpoint, lambda: _checkpoint(options.checkpoint)),
    ]
    num_missing = 0
    for name, check in checks:
        # A report goes on where a command would stop: each line says what its own part is missing.
        try:
            mark, found = "ok", check()
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            mark, found = "--", " ".join(str(error).split())
            num_missing += 1
        print(f"{mark}  {name:<10} {found}")
    return 1 if num_missing else 0


def _torch() -> str:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {device}"


def _processor() -> str:
    import torch

    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if sys.platform != "win32" else 0
    sets = torch.backends.cpu.get_cpu_capability()
    return f"{os.cpu_count()} cores, {platform.machine()} with {sets}, {memory_gb:.0f} GB of memory"


def _native() -> str:
    import warnings

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        from omniloom.kernels import native

        chosen, offered, operators = native.chosen_instruction_set(), native.instruction_sets(), native.operators()
    if not offered and told:
        raise ValueError(str(told[0].message))
    return f"compiled, uses {chosen} of {', '.join(offered)}; {', '.join(operators)}"


def _extra(extra: str, names: tuple[str, ...]) -> str:
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        raise ValueError(f"{', '.join(missing)} not installed; run pip install 'omniloom[{extra}]'")
    return ", ".join(found)


def _data() -> str:
    folder = os.environ.get("OMNILOOM_DATA")
    if not folder:
        return "OMNILOOM_DATA is not set; public data is downloaded when it is needed"
    if not Path(folder).is_dir():
        raise ValueError(f"OMNILOOM_DATA is {folder}, which is no folder; correct or unset it")
    names = sorted(path.name for path in Path(folder).iterdir() if path.is_dir())
    return f"{Path(folder).resolve()}: {', '.join(names)}"


def _checkpoint(name: str) -> str:
    from omniloom.generation import Omni

    omni = Omni.load(name)
    num_weights = sum(parameter.numel() for parameter in omni.model.parameters())
    return f"loads, {num_weights / 1e6:.1f} M parameters"
