"""The decode step as a callable: prepares the weights once, picks the instruction set, and runs one token.

Decoding one row reads every weight once for each token, so what counts is how many bytes that is: matrices that were
stored in bfloat16 stay so (exactly; see `narrowed`), and only those logits are computed that the caller asks for.
Calls into the library release Python's lock; a `DecodeStep` may be shared between threads, a `Scratch` may not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels import native
from omniloom.kernels.decode_step.reference import decode_step
from omniloom.kernels.decode_step.weights import DecoderWeights, narrowed


class _Matrix(ctypes.Structure):
    _fields_ = (
        ("weight", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("is_bfloat16", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        ("attention_norm", ctypes.c_void_p),
        ("feedforward_norm", ctypes.c_void_p),
        ("qkv", _Matrix),
        ("attention_out", _Matrix),
        ("gate_value", _Matrix),
        ("feedforward_out", _Matrix),
    )


class _Decoder(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("num_layers", "width", "num_query_heads", "num_key_heads")),
        *((name, ctypes.c_int32) for name in ("head_width", "hidden", "vocabulary_size", "num_slots")),
        *((name, ctypes.c_float) for name in ("norm_epsilon", "attention_scale")),
        *((name, ctypes.c_void_p) for name in ("cosines", "sines", "embedding", "slots")),
        ("logits", _Matrix),
        ("layers", ctypes.POINTER(_Layer)),
    )


class _Row(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("token", "slot", "position", "num_ranges")),
        *((name, ctypes.c_void_p) for name in ("ranges", "keys", "values")),
        *((name, ctypes.c_int64) for name in ("layer_stride", "head_stride")),
    )


class Scratch:
    """What one row needs beside its cache: working memory and the logits of its last step."""

    def __init__(self, *, vocabulary_size: int, workspace_size: int) -> None:
        self.logits = torch.full((vocabulary_size,), -torch.inf)
        self.workspace = torch.empty(max(workspace_size, 1))
        self.row = _Row()
        self.ranges: tuple[tuple[int, int], ...] = ()
        self._range_memory = (ctypes.c_int32 * 0)()

    def set_ranges(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Ask for the logits of these ids, as (first, last + 1); all others are minus infinity from now on."""
        if tuple(ranges) == self.ranges:
            return
        self.logits.fill_(-torch.inf)
        self.ranges = tuple(ranges)
        flat = [bound for pair in self.ranges for bound in pair]
        self._range_memory = (ctypes.c_int32 * len(flat))(*flat)
        self.row.num_ranges = len(self.ranges)
        self.row.ranges = ctypes.addressof(self._range_memory)


class DecodeStep:
    """One token through a decoder of at most `context` positions, for one row, on the calling thread."""

    def __init__(self, weights: DecoderWeights, *, context: int) -> None:
        self.weights = weights
        self.context = context
        self.instruction_set = native.chosen_instruction_set()
        self.angles = weights.angles(context)
        self._kept: list[Tensor] = [*self.angles]  # tensors that the structures point into
        self._workspace_size = 0
        if self.instruction_set != native.REFERENCE:
            self._prepare()

    def scratch(self) -> Scratch:
        return Scratch(vocabulary_size=self.weights.table.shape[0], workspace_size=self._workspace_size)

    def __call__(
        self,
        scratch: Scratch,
        *,
        token: int,
        slot: int,
        position: int,
        keys: Float[Tensor, "layers G S E"],
        values: Float[Tensor, "layers G S E"],
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> Float[Tensor, " V"]:
        """Logits after one more token, in `scratch.logits`: of the ids in `ranges`, or of all; the next call writes
        over them. Keys and values are written at `position`, the number of tokens before this one.

        Raises:
            ValueError: If a number is out of its range or the cache is not float32 laid out as (layers, G, S, E).
        """
        self._check(token, slot, position, keys, values)
        scratch.set_ranges(((0, self.weights.table.shape[0]),) if ranges is None else ranges)
        if self.instruction_set == native.REFERENCE:
            logits = decode_step(
                self.weights, token=token, slot=slot, position=position, keys=keys, values=values, angles=self.angles
            )
            for first, stop in scratch.ranges:
                scratch.logits[first:stop] = logits[first:stop]
            return scratch.logits
        row = scratch.row
        row.token, row.slot, row.position = token, slot, position
        row.keys, row.values = keys.data_ptr(), values.data_ptr()
        row.layer_stride, row.head_stride = keys.stride(0), keys.stride(1)
        self._function(
            ctypes.addressof(self._decoder),
            ctypes.addressof(row),
            scratch.workspace.data_ptr(),
            scratch.logits.data_ptr(),
        )
        return scratch.logits

    def _check(self, token: int, slot: int, position: int, keys: Tensor, values: Tensor) -> None:
        w = self.weights
        for name, value, limit in (
            ("token", token, w.table.shape[0]),
            ("slot", slot, w.slots.shape[0]),
            ("position", position, min(self.context, keys.shape[2])),
        ):
            if not 0 <= value < limit:
                raise ValueError(f"{name} must be from 0 to {limit - 1}, got {value}")
        expected = (len(w.layers), w.num_kv_heads, keys.shape[2], w.head_width)
        is_laid_out = keys.stride()[2:] == (w.head_width, 1) and values.stride() == keys.stride()
        if keys.dtype != torch.float32 or keys.shape != expected or values.shape != expected or not is_laid_out:
            raise ValueError(f"keys and values must be float32 of shape {expected}, positions in a row")

    def _prepare(self) -> None:
        w = self.weights
        library = native.library()
        assert library is not None
        layers = (_Layer * len(w.layers))()
        for target, layer in zip(layers, w.layers, strict=True):
            target.attention_norm = self._vector(layer.attention_norm)
            target.feedforward_norm = self._vector(layer.feedforward_norm)
            target.qkv = self._matrix(layer.query_key_value)
            target.attention_out = self._matrix(layer.attention_out)
            target.gate_value = self._matrix(layer.gate_value)
            target.feedforward_out = self._matrix(layer.feedforward_out)
        self._layers = layers
        self._decoder = _Decoder(
            num_layers=len(w.layers),
            width=w.table.shape[1],
            num_query_heads=w.num_heads,
            num_key_heads=w.num_kv_heads,
            head_width=w.head_width,
            hidden=w.layers[0].feedforward_out.shape[1],
            vocabulary_size=w.table.shape[0],
            num_slots=w.slots.shape[0],
            norm_epsilon=w.norm_epsilon,
            attention_scale=w.head_width**-0.5,
            cosines=self.angles[0].data_ptr(),
            sines=self.angles[1].data_ptr(),
            embedding=self._vector(w.table),
            slots=self._vector(w.slots),
            logits=self._matrix(w.table),
            layers=layers,
        )
        self._workspace_size = library.omniloom_workspace_size(ctypes.byref(self._decoder), self.context)
        pointer = library.omniloom_decode_step(native.instruction_sets()[self.instruction_set])
        self._function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(pointer)

    def _vector(self, tensor: Tensor) -> int:
        self._kept.append(tensor.detach().to(torch.float32).contiguous())
        return self._kept[-1].data_ptr()

    def _matrix(self, tensor: Tensor) -> _Matrix:
        kept = narrowed(tensor)
        self._kept.append(kept)
        return _Matrix(kept.data_ptr(), kept.shape[0], kept.shape[1], int(kept.dtype == torch.bfloat16), 0)
