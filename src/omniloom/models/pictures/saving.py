"""The folder of a network: what it is, its configuration and its weights, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file, save_file
from torch import nn

from omniloom.core.checkpoint import read_manifest, write_folder

CONFIG_FILE, MODEL_FILE = "config.json", "model.safetensors"

M = TypeVar("M", bound=nn.Module)


def save_network(
    folder: str | Path,
    network: Any,
    *,
    kind: str,
    facts: dict[str, Any] | None = None,
    also: Callable[[Path], object] | None = None,
) -> None:
    """Write the folder; `facts` are kept beside the configuration, and `also` may put in more files."""

    def write(path: Path) -> None:
        fields = {"kind": kind, "facts": facts or {}, "config": asdict(network.config)}
        (path / CONFIG_FILE).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
        state = {name: tensor.detach().float().contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, str(path / MODEL_FILE))
        if also is not None:
            also(path)

    write_folder(folder, write)


def load_network(folder: str | Path, network: type[M], *, kind: str) -> tuple[M, dict[str, Any]]:
    """The network, ready to use, and the facts beside it.

    Raises:
        ValueError: If the folder is torn, or holds something else.
        FileNotFoundError: If there is none.
    """
    read_manifest(folder)
    try:
        fields = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
        if fields.get("kind") != kind:
            raise ValueError(f"{folder} holds no {kind}: its {CONFIG_FILE} says {fields.get('kind')!r}")
        config = {name: tuple(value) if isinstance(value, list) else value for name, value in fields["config"].items()}
        made: Any = network
        found: M = made(made.Config(**config))
        found.load_state_dict(load_file(str(Path(folder) / MODEL_FILE)))
    except (FileNotFoundError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{folder} holds no {kind} ({error}); give the folder of a trained one") from error
    return found.eval(), dict(fields["facts"])
