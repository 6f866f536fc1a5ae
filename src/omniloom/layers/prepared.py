"""Modules in their form for inference: weights packed once for the native operators, and again when they have changed.

`prepared` gives a module whose layers run natively; what stands between the layers is the module's own code, so that no
network is written twice. `FromWeights` keeps such a form, or anything else made from weights, and makes it anew once a
weight is another tensor or was written to. Preparing by hand, as one must call `eval`, was rejected: a codec that is
trained on would answer with its weights of before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeGuard, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels import (
    REFERENCE,
    Activation,
    PackedConv,
    chosen_instruction_set,
    prepack,
)

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class _Weight(NamedTuple):
    """Where a weight is held, and what was there: its memory too, kept so that nothing else gets its address."""

    owner: Mapping[str, Tensor | None]
    name: str
    tensor: Tensor
    memory: Tensor
    address: int
    version: int


class FromWeights(Generic[T]):
    """What `make` gives for modules, made on first use and again whenever their weights have changed.

    Training, `load_state_dict`, moving and converting are all seen. Writing through `weight.data` leaves no trace, nor
    does writing to weights that were made under `torch.inference_mode`: `forget` is for those.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._kept: tuple[T, tuple[nn.Module, ...], list[_Weight]] | None = None

    def __call__(self, *modules: nn.Module) -> T:
        kept = self._kept
        if kept is None or kept[1] != modules or _has_changed(kept[2]):
            weights = [
                _Weight(owner, name, weight, weight.detach(), weight.data_ptr(), _version(weight))
                for module in modules
                for part in module.modules()
                for owner in (part._parameters, part._buffers)
                for name, weight in owner.items()
                if weight is not None
            ]
            with torch.inference_mode(False), torch.no_grad():
                self._kept = kept = (self._make(*modules), modules, weights)
        return kept[0]

    def forget(self) -> None:
        """The next call makes it anew."""
        self._kept = None

    def __getstate__(self) -> dict[str, object]:
        return {"_make": self._make, "_kept": None}


_UNVERSIONED = -1


def _version(weight: Tensor) -> int:
    return _UNVERSIONED if weight.is_inference() else weight._version


def _has_changed(weights: list[_Weight]) -> bool:
    """Every chunk of a stream asks, of some sixty weights: no call but torch's own, 15 us for all of them."""
    for owner, name, tensor, _, address, version in weights:
        if owner.get(name) is not tensor or tensor.data_ptr() != address:
            return True
        if version != _UNVERSIONED and tensor._version != version:
            return True
    return False


def prepared(module: M) -> M:
    """The module with packed weights where there are native operators and it is float32 on a CPU; else the module.

    Linear layers and 2-D convolutions that pad with zeros or not at all are packed; a GELU that follows in a
    `Sequential` is computed with them. A module that has a form of its own gives it by `for_inference`. None of these
    gives gradients.
    """
    can = all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in module.parameters())
    return cast(M, _packed(module)) if can and chosen_instruction_set() != REFERENCE else module


def in_double(module: M) -> M:
    """A copy in float64 for inference."""
    return copy.deepcopy(module).double().eval().requires_grad_(False)


class PackedRows(nn.Module):
    """A linear layer and its activation. Sums have one order, so that a row's bits depend on no other row."""

    def __init__(self, layer: nn.Linear, activation: Activation) -> None:
        super().__init__()
        self.packed = prepack(layer.weight[..., None], layer.bias, activation=activation)

    def forward(self, x: Float[Tensor, "*rows K"]) -> Float[Tensor, "*rows N"]:
        if x.dim() == 3:
            return self.packed.stream(x).frames
        return self.packed.stream(x.reshape(1, -1, x.shape[-1])).frames.view(*x.shape[:-1], self.packed.channels)


def _packed(module: nn.Module, activation: Activation = "none") -> nn.Module:
    if isinstance(module, nn.Linear):
        return PackedRows(module, activation)
    if _is_plain_conv(module):
        return _conv(module, activation)
    if (own := getattr(module, "for_inference", None)) is not None:
        form: nn.Module = own()
        return form
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*_fused(list(module)))
    form = copy.copy(module)
    form._modules = {name: None if part is None else _packed(part) for name, part in module._modules.items()}
    return form


def _fused(layers: list[nn.Module]) -> list[nn.Module]:
    """The layers packed, each that can be with the GELU after it."""
    found = []
    while layers:
        layer, *layers = layers
        activation: Activation = "none"
        if layers and isinstance(layers[0], nn.GELU) and (isinstance(layer, nn.Linear) or _is_plain_conv(layer)):
            activation = "gelu_tanh" if layers[0].approximate == "tanh" else "gelu"
            layers = layers[1:]
        found.append(_packed(layer, activation))
    return found


def _is_plain_conv(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str)


def _conv(layer: nn.Conv2d, activation: Activation) -> PackedConv:
    assert not isinstance(layer.padding, str)
    return prepack(
        layer.weight,
        layer.bias,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        activation=activation,
    )
