"""Linear layers and 1x1 convolutions whose zero weights are neither stored nor multiplied.

Made from a dense module whose weights were pruned, or from such a weight; which weights there are stays as it is, while
their values and the bias may be trained. A saved state holds the packed form, and one of any sparsity can be loaded.
"""

from __future__ import annotations

from typing import Any, Self

from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels import PackedSparse, pack_sparse, sparse_conv1x1, sparse_linear

PACKED = ("values", "columns", "starts", "rows")


class _Sparse(nn.Module):
    """A packed weight of N outputs by K inputs and perhaps a bias."""

    columns: Tensor
    starts: Tensor
    rows: Tensor

    def __init__(
        self, weight: Float[Tensor, "N K"], bias: Float[Tensor, " outputs"] | None = None, *, block: int = 1
    ) -> None:
        super().__init__()
        if bias is not None and bias.shape != weight.shape[:1]:
            raise ValueError(f"the bias must have {weight.shape[0]} numbers, got shape {tuple(bias.shape)}")
        packed = pack_sparse(weight, block=block)
        self.num_outputs, self.num_inputs, self.block_inputs = (
            packed.num_outputs,
            packed.num_inputs,
            packed.block_inputs,
        )
        self.values = nn.Parameter(packed.values)
        for name in PACKED[1:]:
            self.register_buffer(name, getattr(packed, name))
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    @property
    def weight(self) -> PackedSparse:
        """The packed weight, for the operators of `omniloom.kernels`."""
        return PackedSparse(
            values=self.values,
            columns=self.columns,
            starts=self.starts,
            rows=self.rows,
            num_outputs=self.num_outputs,
            num_inputs=self.num_inputs,
            block_inputs=self.block_inputs,
        )

    def extra_repr(self) -> str:
        return f"{self.num_inputs} to {self.num_outputs}, sparsity {self.weight.sparsity:.3f}"

    def get_extra_state(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("num_outputs", "num_inputs", "block_inputs")}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.block_inputs = state["block_inputs"]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """As modules do, after making room for as many weights as there are in the state."""
        extra = state_dict.get(f"{prefix}_extra_state")
        if extra is not None and (extra["num_outputs"], extra["num_inputs"]) != (self.num_outputs, self.num_inputs):
            raise ValueError(
                f"the state is of {extra['num_inputs']} inputs to {extra['num_outputs']} outputs, "
                f"this layer of {self.num_inputs} to {self.num_outputs}"
            )
        for name in PACKED:
            there, here = state_dict.get(prefix + name), getattr(self, name)
            if there is not None and there.shape != here.shape:
                here.data = here.new_empty(there.shape)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


class SparseLinear(_Sparse):
    """`torch.nn.Linear` with a sparse weight."""

    @classmethod
    def from_dense(cls, module: nn.Linear, *, block: int = 1) -> Self:
        """The layer of a dense one with its weights that are not zero."""
        return cls(module.weight, module.bias, block=block)

    def forward(self, input: Float[Tensor, "*rows K"]) -> Float[Tensor, "*rows N"]:
        return sparse_linear(input, self.weight, self.bias)


class SparseConv1x1(_Sparse):
    """`torch.nn.Conv1d` or `Conv2d` with a kernel of one place, in one group, with a sparse weight."""

    @classmethod
    def from_dense(cls, module: nn.Conv1d | nn.Conv2d | nn.Conv3d, *, block: int = 1) -> Self:
        """The layer of a dense one with its weights that are not zero.

        Raises:
            ValueError: If it is more than a product at every place: a wider kernel, steps, padding or groups.
        """
        plain = {"kernel_size": 1, "stride": 1, "groups": 1, "padding": 0}
        for name, wanted in plain.items():
            found = getattr(module, name)
            if any(size != wanted for size in (found if isinstance(found, tuple) else (found,))):
                raise ValueError(f"a sparse 1x1 convolution needs {name} {wanted}, got {found}")
        return cls(module.weight.flatten(1), module.bias, block=block)

    def forward(self, input: Float[Tensor, "B K *places"]) -> Float[Tensor, "B N *places"]:
        return sparse_conv1x1(input, self.weight, self.bias)
