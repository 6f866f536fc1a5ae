"""Checkpoints for use: a folder with the model, its vocabulary and codecs, its scores and its card.

    config.json  model.safetensors  vocabulary.json  codecs/{text,audio,image}/  scores.json  README.md  manifest.json

Weights lie on disk in bfloat16, half the bytes, and are float32 in memory; codecs must be those that the model was
trained with, which their fingerprints tell. A training checkpoint, which also holds optimizer state, is another thing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omniloom.codecs.bundle import CodecSet
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.core.config import from_dict, to_dict
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.vocabulary import Vocabulary

KIND = "omni"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a folder held."""

    folder: Path
    model: OmniModel
    codecs: CodecSet
    scores: dict[str, Any]
    card: str


def shipped() -> dict[str, Path]:
    """The models that come with the package, by name; what else lies there, as the listener does, is no model."""
    home = Path(str(files("omniloom"))) / "checkpoints"
    folders = sorted(home.iterdir()) if home.is_dir() else []
    return {path.name: path for path in folders if (path / WEIGHTS).is_file()}


def find(name_or_folder: str | Path) -> Path:
    """The folder of a shipped checkpoint by its name, or the folder given.

    Raises:
        ValueError: If it is neither, naming the shipped ones.
    """
    names = shipped()
    if isinstance(name_or_folder, str) and name_or_folder in names:
        return names[name_or_folder]
    folder = Path(name_or_folder)
    if folder.exists():
        return folder
    known = ", ".join(names) or "none"
    if isinstance(name_or_folder, Path) or len(folder.parts) > 1:
        raise ValueError(f"there is no checkpoint folder {folder}; shipped are: {known}")
    raise ValueError(f"unknown checkpoint {name_or_folder!r}; shipped are: {known}; or give the path of a folder")


def load(name_or_folder: str | Path) -> Checkpoint:
    """Read a checkpoint for use.

    Raises:
        ValueError: If there is none, it is torn or foreign, or its codecs are not those it was trained with.
    """
    folder = find(name_or_folder)
    read_manifest(folder)
    config = _read_config(folder)
    vocabulary = Vocabulary.from_json(json.loads((folder / "vocabulary.json").read_text()))
    codecs = CodecSet.load(folder / "codecs")
    vocabulary.require(codecs.specs)
    model = OmniModel(config, vocabulary)
    try:
        state = load_file(str(folder / WEIGHTS))
        model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in state.items()})
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{folder} does not hold the weights that its config.json describes: {error}") from error
    return Checkpoint(
        folder=folder,
        model=model,
        codecs=codecs,
        scores=json.loads((folder / "scores.json").read_text()),
        card=(folder / "README.md").read_text(),
    )


UNMEASURED = "Not measured yet: `omniloom evaluate card --checkpoint FOLDER` writes scores and a card into it.\n"


def save_for_use(
    folder: str | Path,
    *,
    model: OmniModel,
    codecs: CodecSet,
    scores: Mapping[str, Any] | None = None,
    card: str = UNMEASURED,
) -> Path:
    """Write a checkpoint for use; it appears whole or not at all.

    Raises:
        ValueError: If the codecs are not those of the model's vocabulary.
    """
    model.vocabulary.require(codecs.specs)

    def write(path: Path) -> None:
        config = {"kind": KIND, "model": to_dict(model.config)}
        (path / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        (path / "vocabulary.json").write_text(json.dumps(model.vocabulary.to_json(), indent=1) + "\n")
        (path / "scores.json").write_text(json.dumps(dict(scores or {}), indent=1) + "\n")
        (path / "README.md").write_text(card)
        weights = {
            name: tensor.detach().cpu().to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()
        }
        save_file(weights, str(path / WEIGHTS))
        (path / "codecs").mkdir()
        codecs.save(path / "codecs")

    return write_folder(folder, write)


def _read_config(folder: Path) -> OmniConfig:
    try:
        data = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} holds no model ({error}); give a folder that omniloom train made for use"
        ) from error
    if data.get("kind") != KIND:
        raise ValueError(f"{folder} holds {data.get('kind', 'something else')}, not a model for use; give its folder")
    return from_dict(OmniConfig, data["model"])
