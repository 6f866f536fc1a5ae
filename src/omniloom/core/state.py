"""Nested state (optimizers, loaders, random generators) in one safetensors file, with no pickle.

Tensors become the file's tensors; the nesting and every number and string go as JSON into its metadata. torch.save was
rejected: loading its files can run code, and a checkpoint may come from anyone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

STRUCTURE = "omniloom_state"


def save_state(path: str | Path, state: Any) -> None:
    """Write nested dicts, lists and tuples of tensors, numbers, strings, booleans and None.

    Raises:
        ValueError: If something else is found; the error says where.
    """
    tensors: dict[str, Tensor] = {}
    structure = _to_structure(state, "state", tensors)
    save_file(tensors, str(path), metadata={STRUCTURE: json.dumps(structure)})


def load_state(path: str | Path) -> Any:
    """Read what `save_state` wrote: the same nesting, types and bits, tensors on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no state file {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            structure = (file.metadata() or {}).get(STRUCTURE)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); use an earlier checkpoint") from error
    if structure is None:
        raise ValueError(f"{path} holds tensors but no saved state; it was written by something else")
    return _from_structure(json.loads(structure), tensors)


def _to_structure(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise ValueError(f"{where} has the key {key!r}; keys must be strings or integers")
        return {"dict": [[key, _to_structure(item, f"{where}[{key!r}]", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_to_structure(item, f"{where}[{i}]", tensors) for i, item in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": items}
    # The exact type: numpy's float64 is a float too, and would come back as another type.
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    raise ValueError(f"{where} is a {type(value).__name__}; state is tensors, numbers, strings, booleans and None")


def _from_structure(structure: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    ((kind, value),) = structure.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _from_structure(item, tensors) for key, item in value}
    if kind in ("list", "tuple"):
        items = [_from_structure(item, tensors) for item in value]
        return items if kind == "list" else tuple(items)
    return value


def equal_states(left: Any, right: Any) -> bool:
    """Whether two nested states have the same nesting, types and bits; what "resumed equals uninterrupted" means."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(_bits(left), _bits(right))
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(equal_states(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(equal_states, left, right))
    return left == right or (left != left and right != right)


def _bits(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
