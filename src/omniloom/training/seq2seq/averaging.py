"""The mean of a run's last checkpoints, which Tensor2Tensor decodes with (Vaswani et al. 2017, section 6.1).

Weights late in a run stand around the place where they would go if the rate fell; their mean is nearer to it than any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom.core.checkpoint import read_manifest
from omniloom.core.state import load_state
from omniloom.training.loop import STATE_FILE

FOLDER = re.compile(r"step-(\d+)")


def averaged_weights(checkpoints: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the models of a run's checkpoint folders, in float64 until the end.

    Raises:
        ValueError: If there are none, one is torn or foreign, or they hold different models.
    """
    if not checkpoints:
        raise ValueError("there are no checkpoints to average; train first, or give the folder of a run")
    sums: dict[str, Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    for path in checkpoints:
        read_manifest(path)
        state: dict[str, Any] = load_state(path / STATE_FILE)
        weights: dict[str, Tensor] = state["model"]
        shapes = {name: tensor.shape for name, tensor in weights.items()}
        if sums and shapes != {name: tensor.shape for name, tensor in sums.items()}:
            raise ValueError(f"{path} holds another model than {checkpoints[0]}; average checkpoints of one run")
        for name, tensor in weights.items():
            kinds[name] = tensor.dtype
            sums[name] = sums.get(name, 0) + tensor.to(torch.float64)
    return {name: (total / len(checkpoints)).to(kinds[name]) for name, total in sums.items()}


def last_checkpoints(run: str | Path, count: int) -> list[Path]:
    """The newest `count` checkpoints of a training run, oldest first.

    Raises:
        ValueError: If `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"the number of checkpoints to average must be at least 1, got {count}")
    found = []
    for path in (Path(run) / "checkpoints").glob("step-*"):
        match = FOLDER.fullmatch(path.name)
        if match:
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)[-count:]]
