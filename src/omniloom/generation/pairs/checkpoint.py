"""Checkpoints of models of pairs, for use: a folder that says all that decoding needs.

    config.json  model.safetensors  vocabulary.json  scores.json  README.md  manifest.json

The vocabulary is both sides' encoders, so a text goes in and a text comes out. Weights stay in float32: the model is
small, and what is loaded is to the bit what was measured. Reading compares the manifest, so a torn folder and a foreign
one are refused before anything is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.core.config import from_dict, to_dict
from omniloom.data.problems.pairs import PairEncoders
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.models.seq2seq import (
    Seq2SeqConfig,
    Seq2SeqVocabulary,
    SequenceModel,
    sequence_models,
)

KIND = "pairs"
WEIGHTS = "model.safetensors"
SETTINGS = {"problem", "metric", "model", "config", "vocabulary"}
"""What config.json says beside the kind."""


@dataclass(frozen=True, kw_only=True)
class PairCheckpoint:
    """A model of pairs and what it was trained as; `problem` is the name, with its suffixes, `metric` the problem's."""

    problem: str
    metric: str
    model_name: str
    model: SequenceModel
    encoders: PairEncoders
    scores: Mapping[str, Any]


def save_pairs(folder: str | Path, checkpoint: PairCheckpoint, *, scores: Mapping[str, Any], card: str) -> Path:
    """Write a checkpoint for use; it appears whole or not at all."""
    model = cast(Any, checkpoint.model)

    def write(path: Path) -> None:
        config = {
            "kind": KIND,
            "problem": checkpoint.problem,
            "metric": checkpoint.metric,
            "model": checkpoint.model_name,
            "config": to_dict(model.config),
            "vocabulary": to_dict(model.vocabulary),
        }
        _write_json(path / "config.json", config)
        _write_json(path / "vocabulary.json", checkpoint.encoders.to_json())
        _write_json(path / "scores.json", dict(scores))
        (path / "README.md").write_text(card, encoding="utf-8")
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, str(path / WEIGHTS))

    return write_folder(folder, write)


def holds_pairs(folder: str | Path) -> bool:
    """Whether a folder is a checkpoint of a model of pairs, whole or torn."""
    path = Path(folder) / "config.json"
    data = _read_json(path) if path.is_file() else None
    return isinstance(data, dict) and data.get("kind") == KIND


def load_pairs(folder: str | Path, *, user_file: Path | None = None) -> PairCheckpoint:
    """Read a checkpoint for use; `user_file` registers its model where that is the user's own.

    Raises:
        ValueError: If there is none, it is torn or foreign, or holds another kind of model.
    """
    folder = Path(folder)
    if user_file is not None:
        run_user_file(user_file)
    read_manifest(folder)
    data = _read_json(folder / "config.json")
    if not isinstance(data, dict) or data.get("kind") != KIND or not data.keys() >= SETTINGS:
        raise ValueError(
            f"{folder} holds no model of pairs; give the checkpoint folder of a run of omniloom train --problem"
        )
    encoders = PairEncoders.from_json(_read_json(folder / "vocabulary.json"))
    vocabulary = from_dict(Seq2SeqVocabulary, data["vocabulary"])
    model: Any = sequence_models.get(data["model"])(from_dict(Seq2SeqConfig, data["config"]), vocabulary)
    if encoders.target.num_ids != vocabulary.size:
        told = f"a vocabulary.json of {encoders.target.num_ids} ids and a model of {vocabulary.size}"
        raise ValueError(f"{folder} holds {told}; copy the folder again")
    try:
        model.load_state_dict(load_file(str(folder / WEIGHTS)))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{folder} does not hold the weights that its config.json describes: {error}") from error
    return PairCheckpoint(
        problem=data["problem"],
        metric=data["metric"],
        model_name=data["model"],
        model=model.eval(),
        encoders=encoders,
        scores=_read_json(folder / "scores.json"),
    )


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); give a checkpoint folder that is whole") from error
