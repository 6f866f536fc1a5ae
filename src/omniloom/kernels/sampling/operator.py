"""Tokens drawn from rows of logits, each with its own temperature, cuts, seed and counter, as an operator of torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.kernels.registration import define
from omniloom.kernels.sampling import reference

_LIMITS = {"temperature": (0.0, 1e6), "top_k": (0, 2**63 - 1), "top_p": (0.0, 1.0), "min_p": (0.0, 1.0)}

_sample = define(
    "sample(Tensor logits, Tensor temperature, Tensor top_k, Tensor top_p, Tensor min_p, Tensor seed, Tensor counter) "
    "-> Tensor",
    reference=reference.sample,
    fake=lambda logits, *rest: logits.new_empty(logits.shape[0], dtype=torch.int64),
)


class SampleSettings(NamedTuple):
    """`sample`'s settings, a number for each row, in the types and on the device that the operator takes them."""

    temperature: Float[Tensor, " B"]
    top_k: Int[Tensor, " B"]
    top_p: Float[Tensor, " B"]
    min_p: Float[Tensor, " B"]
    seed: Int[Tensor, " B"]
    counter: Int[Tensor, " B"]


def sample(
    logits: Float[Tensor, "B V"],
    *,
    seed: int | Int[Tensor, " B"],
    counter: int | Int[Tensor, " B"] = 0,
    temperature: float | Float[Tensor, " B"] = 1.0,
    top_k: int | Int[Tensor, " B"] = 0,
    top_p: float | Float[Tensor, " B"] = 1.0,
    min_p: float | Float[Tensor, " B"] = 0.0,
) -> Int[Tensor, " B"]:
    """A token for each row; the same one for the same logits, settings, seed and counter.

    That holds alone and in any batch, with any number of threads, and to the bit on every instruction set. Logits of
    minus infinity are never drawn. Settings are one for all rows, or a tensor with one for each:

    Args:
        seed: Of the reply that the row belongs to.
        counter: Which of the reply's tokens it is. Rows with the same seed must differ in it to be independent.
        temperature: What logits are divided by; 0 takes the likeliest, below 1e-6 counts as that.
        top_k: Then so many of the likeliest are kept, the first of equal ones; 0 keeps all.
        top_p: Then the fewest of the likeliest that hold at least so much of the probability that is left.
        min_p: Then those at least so likely, as a part of the likeliest one's probability.

    Raises:
        ValueError: If a setting is out of its range or has another number of rows, or logits are not float32.
        RuntimeError: If a row offers no token: all masked, or NaN or infinite in it.
    """
    if logits.dtype != torch.float32:
        raise ValueError(f"logits must be float32, got {logits.dtype}; convert them with .float()")
    settings = sample_settings(
        logits.shape[0],
        seed=seed,
        counter=counter,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        device=logits.device,
    )
    return _sample(logits, *settings)


def sample_settings(
    num_rows: int,
    *,
    seed: int | Int[Tensor, " B"],
    counter: int | Int[Tensor, " B"] = 0,
    temperature: float | Float[Tensor, " B"] = 1.0,
    top_k: int | Int[Tensor, " B"] = 0,
    top_p: float | Float[Tensor, " B"] = 1.0,
    min_p: float | Float[Tensor, " B"] = 0.0,
    device: torch.device | str = "cpu",
) -> SampleSettings:
    """What `sample` makes of its settings: for one who draws often with the same, or writes the next counter in place.

    Raises:
        ValueError: If a setting is out of its range or has another number of rows.
    """
    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "seed": seed}
    for name, (low, high) in _LIMITS.items():
        value = given[name]
        if not isinstance(value, Tensor) and not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    columns = {name: _column(name, value, num_rows, device) for name, value in (given | {"counter": counter}).items()}
    return SampleSettings(**columns)


def sample_with(logits: Float[Tensor, "B V"], settings: SampleSettings) -> Int[Tensor, " B"]:
    """`sample` with settings made before: a third of the time where it is one short row.

    Raises:
        RuntimeError: If a setting does not fit, logits are not float32, or a row offers no token.
    """
    return _sample(logits, *settings)


def _column(name: str, value: float | Tensor, num_rows: int, device: torch.device | str) -> Tensor:
    """One number a row, in the type that the operator takes."""
    dtype = torch.float64 if name in ("temperature", "top_p", "min_p") else torch.int64
    if not isinstance(value, Tensor):
        return torch.full((num_rows,), value, dtype=dtype, device=device)
    if value.shape != (num_rows,):
        raise ValueError(f"{name} must be a number or one for each of {num_rows} rows, got {tuple(value.shape)}")
    return value.to(device=device, dtype=dtype).contiguous()
