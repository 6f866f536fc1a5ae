"""1x1 convolutions by sparse weights beside what else computes them: dense ones, and the FBGEMM that torch contains.

All run within `torch.inference_mode` on one thread, and each allocates its output. Dense ones are oneDNN's with
prepacked weights, in both layouts of images, and XNNPACK's through executorch with channels last, which it computes in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom.kernels import pack_sparse, sparse_conv1x1
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.convolution.layers import Layer

SYMBOL = "_ZN6fbgemm13SparseDenseMMEiiPKiS1_PKfS3_iPfib"
"""fbgemm::SparseDenseMM(rows, columns, row starts, column indices, values, B, ldb, C, ldc, adds)."""


@dataclass(frozen=True, kw_only=True)
class Pointwise:
    """A 1x1 convolution of square images."""

    num_inputs: int
    num_outputs: int
    side: int

    def __str__(self) -> str:
        return f"{self.num_inputs} to {self.num_outputs}, {self.side}²"

    def input(self) -> Tensor:
        return torch.randn(1, self.num_inputs, self.side, self.side)

    def pruned(self, sparsity: float, *, block: int = 1) -> Tensor:
        """A random weight with that share of zeros, whole blocks of outputs at a time."""
        num_blocks = -(-self.num_outputs // block)
        is_kept = torch.zeros(num_blocks * self.num_inputs, dtype=torch.bool)
        is_kept[torch.randperm(is_kept.numel())[: round(is_kept.numel() * (1 - sparsity))]] = True
        mask = is_kept.view(num_blocks, self.num_inputs).repeat_interleave(block, 0)[: self.num_outputs]
        return torch.randn(self.num_outputs, self.num_inputs) * mask


def sparse(input: Tensor, weight: Tensor, *, block: int = 1) -> Callable[[], Tensor]:
    """Ours."""
    packed = pack_sparse(weight, block=block)
    return lambda: sparse_conv1x1(input, packed)


def dense(input: Tensor, weight: Tensor) -> dict[str, Callable[[], Tensor]]:
    """oneDNN's, its weights packed for this input, in both layouts."""
    whole = weight[:, :, None, None].contiguous()
    found = {}
    for name, layout in (("oneDNN", torch.contiguous_format), ("oneDNN, channels last", torch.channels_last)):
        packed = torch.ops.mkldnn._reorder_convolution_weight(
            whole.to(memory_format=layout), [0, 0], [1, 1], [1, 1], 1, list(input.shape)
        )
        found[name] = _dense_call(input.contiguous(memory_format=layout), packed)
    return found


def _dense_call(input: Tensor, packed: Any) -> Callable[[], Tensor]:
    convolution = torch.ops.mkldnn._convolution_pointwise
    return lambda: convolution(input, packed, None, [0, 0], [1, 1], [1, 1], 1, "none", [], "")


def xnnpack(input: Tensor, weight: Tensor) -> Callable[[], Any] | None:
    """XNNPACK's dense one, where executorch is there."""
    (num_outputs, num_inputs), (height, width) = weight.shape, input.shape[2:]
    layer = Layer(
        name="1x1", channels=num_inputs, channels_out=num_outputs, size=(height, width), kernel=(1, 1), padding=0
    )
    return peers.xnnpack_call(layer, (input, weight[:, :, None, None].contiguous(), torch.zeros(num_outputs)))


def fbgemm(input: Tensor, weight: Tensor) -> Callable[[], Tensor] | None:
    """FBGEMM's, where this torch contains it."""
    product = _fbgemm()
    if product is None:
        return None
    num_outputs, num_inputs = weight.shape
    row, column = weight.nonzero(as_tuple=True)
    values, columns = weight[row, column].contiguous(), column.int()
    starts = torch.zeros(num_outputs + 1, dtype=torch.int32)
    starts[1:] = torch.bincount(row, minlength=num_outputs).cumsum(0)
    images = input.view(num_inputs, -1)
    count = images.shape[1]
    held = [tensor.data_ptr() for tensor in (starts, columns, values, images)]

    def run(keep: tuple[Tensor, ...] = (starts, columns, values, images)) -> Tensor:
        found = torch.empty(num_outputs, count)
        product(num_outputs, count, *held, count, found.data_ptr(), count, False)
        return found

    return run


@cache
def _fbgemm() -> Callable[..., None] | None:
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not path.exists():
        return None
    product: Any = getattr(ctypes.CDLL(str(path)), SYMBOL, None)
    if product is not None:
        size, pointer = ctypes.c_int, ctypes.c_void_p
        product.argtypes = (size, size, *[pointer] * 4, size, pointer, size, ctypes.c_bool)
        product.restype = None
    return product
