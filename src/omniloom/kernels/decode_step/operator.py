"""The decode step as a callable: prepares the weights once, picks the instruction set, and runs tokens.

Decoding one row reads every weight once for each token, so what counts is how many bytes that is: matrices that were
stored in bfloat16 stay so (exactly; see `narrowed`), and only those logits are computed that the caller asks for.
Calls into the library release Python's lock; a `DecodeStep` may be shared between threads, a `Scratch` may not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels import native
from omniloom.kernels.decode_step.reference import decode_step
from omniloom.kernels.decode_step.weights import DecoderWeights, narrowed

IdRange = tuple[int, int]
"""Ids from the first up to, not with, the second."""


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
        *((name, ctypes.c_int32) for name in ("head_width", "hidden", "num_outputs", "num_slots")),
        *((name, ctypes.c_float) for name in ("norm_epsilon", "attention_scale")),
        *((name, ctypes.c_void_p) for name in ("cosines", "sines", "embedding", "slots")),
        ("logits", _Matrix),
        ("layers", ctypes.POINTER(_Layer)),
    )


class _Call(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_void_p),
        ("num_rows", ctypes.c_int32),
        ("num_ranges", ctypes.c_int32),
        ("ranges", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("num_logits", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


_ROW = np.dtype(
    [(name, np.int32) for name in ("token", "slot", "position", "reserved")]
    + [(name, np.int64) for name in ("keys", "values", "layer_stride", "head_stride", "input")]
)


class Scratch:
    """What a caller needs beside its cache: working memory and the logits of its last call."""

    def __init__(self, *, num_outputs: int) -> None:
        self.logits = torch.full((1, num_outputs), -torch.inf)
        self.workspace = torch.empty(0)
        self.rows = np.zeros(1, _ROW)
        self.call = _Call()
        self.ranges: tuple[IdRange, ...] = ()
        self._range_memory = (ctypes.c_int32 * 0)()

    def prepare(self, ranges: Sequence[IdRange], *, num_rows: int, num_logits: int, workspace_size: int) -> None:
        """Make room, and ask for the logits of these ids; all others are minus infinity from now on."""
        if self.workspace.numel() < workspace_size:
            self.workspace = torch.empty(workspace_size)
        if len(self.rows) < num_rows:
            self.rows = np.zeros(num_rows, _ROW)
        has_room = self.logits.shape[0] >= num_logits
        if has_room and tuple(ranges) == self.ranges:
            return
        if has_room:
            self.logits.fill_(-torch.inf)
        else:
            self.logits = torch.full((num_logits, self.logits.shape[1]), -torch.inf)
        self.ranges = tuple(ranges)
        flat = [bound for pair in self.ranges for bound in pair]
        self._range_memory = (ctypes.c_int32 * len(flat))(*flat)
        self.call.num_ranges = len(self.ranges)
        self.call.ranges = ctypes.addressof(self._range_memory)


class DecodeStep:
    """Tokens through a decoder of at most `context` positions, on the calling thread."""

    def __init__(self, weights: DecoderWeights, *, context: int) -> None:
        self.weights = weights
        self.context = context
        self.instruction_set = native.chosen_instruction_set()
        self.angles = weights.angles(context)
        self._kept: list[Tensor] = [*self.angles]  # tensors that the structures point into
        if self.instruction_set != native.REFERENCE:
            self._prepare()

    def scratch(self) -> Scratch:
        return Scratch(num_outputs=self.weights.output.shape[0])

    def __call__(
        self,
        scratch: Scratch,
        *,
        tokens: Sequence[int],
        slots: Sequence[int],
        positions: Sequence[int],
        rows: Sequence[int],
        keys: Float[Tensor, "layers B G S E"],
        values: Float[Tensor, "layers B G S E"],
        inputs: Float[Tensor, "tokens D"] | None = None,
        ranges: Sequence[IdRange] | None = None,
        num_logits: int | None = None,
    ) -> Float[Tensor, "logits scores"]:
        """Logits after each of the tokens, or the last `num_logits` of them; the next call writes over them.

        Token i goes into row `rows[i]` of the cache at `positions[i]`, the number of tokens before it there. Several
        tokens may go into one row, at rising positions. Only rows of the output matrix in `ranges` are scored, the
        rest are minus infinity.
        `inputs`, where given, are the vectors that stand for the tokens' rows of the table.

        Raises:
            ValueError: If a number is out of its range, the cache is not float32 laid out as (layers, B, G, S, E), or
                `inputs` are not float32 vectors in a row, one for each token.
        """
        self._check(tokens, slots, positions, rows, keys, values)
        self._check_inputs(inputs, len(tokens))
        wanted = len(tokens) if num_logits is None else num_logits
        scratch.prepare(
            ((0, self.weights.output.shape[0]),) if ranges is None else ranges,
            num_rows=len(tokens),
            num_logits=wanted,
            workspace_size=0 if self.instruction_set == native.REFERENCE else self._workspace_size(len(tokens)),
        )
        if self.instruction_set == native.REFERENCE:
            self._run_reference(scratch, tokens, slots, positions, rows, keys, values, inputs, wanted)
        else:
            self._run(scratch, tokens, slots, positions, rows, keys, values, inputs, wanted)
        return scratch.logits[:wanted]

    def _run(
        self,
        scratch: Scratch,
        tokens: Sequence[int],
        slots: Sequence[int],
        positions: Sequence[int],
        rows: Sequence[int],
        keys: Tensor,
        values: Tensor,
        inputs: Tensor | None,
        num_logits: int,
    ) -> None:
        count = len(tokens)
        described = scratch.rows[:count]
        described["token"], described["slot"], described["position"] = tokens, slots, positions
        stride_bytes = keys.stride(1) * keys.element_size()
        offsets = np.asarray(rows, np.int64) * stride_bytes
        described["keys"], described["values"] = offsets + keys.data_ptr(), offsets + values.data_ptr()
        described["layer_stride"], described["head_stride"] = keys.stride(0), keys.stride(2)
        described["input"] = 0
        if inputs is not None:
            described["input"] = inputs.data_ptr() + np.arange(count) * inputs.stride(0) * inputs.element_size()
        call = scratch.call
        call.rows, call.num_rows = scratch.rows.ctypes.data, count
        call.workspace, call.logits = scratch.workspace.data_ptr(), scratch.logits.data_ptr()
        call.num_logits = num_logits
        self._function(ctypes.addressof(self._decoder), ctypes.addressof(call))

    def _run_reference(
        self,
        scratch: Scratch,
        tokens: Sequence[int],
        slots: Sequence[int],
        positions: Sequence[int],
        rows: Sequence[int],
        keys: Tensor,
        values: Tensor,
        inputs: Tensor | None,
        num_logits: int,
    ) -> None:
        for place, (token, slot, position, row) in enumerate(zip(tokens, slots, positions, rows, strict=True)):
            logits = decode_step(
                self.weights,
                token=token,
                slot=slot,
                position=position,
                keys=keys[:, row],
                values=values[:, row],
                angles=self.angles,
                given=None if inputs is None else inputs[place],
            )
            target = place - (len(tokens) - num_logits)
            if target >= 0:
                for first, stop in scratch.ranges:
                    scratch.logits[target, first:stop] = logits[first:stop]

    def _check(
        self,
        tokens: Sequence[int],
        slots: Sequence[int],
        positions: Sequence[int],
        rows: Sequence[int],
        keys: Tensor,
        values: Tensor,
    ) -> None:
        w = self.weights
        if not len(tokens) == len(slots) == len(positions) == len(rows) > 0:
            raise ValueError(
                f"there must be as many slots, positions and rows as tokens, and at least one; got {len(slots)}, "
                f"{len(positions)}, {len(rows)} and {len(tokens)}"
            )
        for name, numbers, limit in (
            ("token", tokens, w.table.shape[0]),
            ("slot", slots, w.slots.shape[0]),
            ("position", positions, min(self.context, keys.shape[3])),
            ("row", rows, keys.shape[1]),
        ):
            low, high = min(numbers), max(numbers)
            if low < 0 or high >= limit:
                raise ValueError(f"{name} must be from 0 to {limit - 1}, got {low if low < 0 else high}")
        expected = (len(w.layers), keys.shape[1], w.num_kv_heads, keys.shape[3], w.head_width)
        is_laid_out = keys.stride()[3:] == (w.head_width, 1) and values.stride() == keys.stride()
        if keys.dtype != torch.float32 or keys.shape != expected or values.shape != expected or not is_laid_out:
            raise ValueError(f"keys and values must be float32 of shape {expected}, positions in a row")

    def _check_inputs(self, inputs: Tensor | None, num_tokens: int) -> None:
        if inputs is None:
            return
        shape = (num_tokens, self.weights.table.shape[1])
        if inputs.dtype != torch.float32 or inputs.shape != shape or inputs.stride(1) != 1:
            raise ValueError(
                f"inputs must be float32 of shape {shape}, numbers in a row, got {inputs.dtype} of shape "
                f"{tuple(inputs.shape)}"
            )

    def _workspace_size(self, num_rows: int) -> int:
        library = native.library()
        assert library is not None
        size: int = library.omniloom_workspace_size(ctypes.addressof(self._decoder), num_rows, self.context)
        return size

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
            num_outputs=w.output.shape[0],
            num_slots=w.slots.shape[0],
            norm_epsilon=w.norm_epsilon,
            attention_scale=w.head_width**-0.5,
            cosines=self.angles[0].data_ptr(),
            sines=self.angles[1].data_ptr(),
            embedding=self._vector(w.table),
            slots=self._vector(w.slots),
            logits=self._matrix(w.output),
            layers=layers,
        )
        pointer = library.omniloom_decode_step(native.instruction_sets()[self.instruction_set])
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(pointer)

    def _vector(self, tensor: Tensor) -> int:
        self._kept.append(tensor.detach().to(torch.float32).contiguous())
        return self._kept[-1].data_ptr()

    def _matrix(self, tensor: Tensor) -> _Matrix:
        kept = narrowed(tensor)
        self._kept.append(kept)
        return _Matrix(kept.data_ptr(), kept.shape[0], kept.shape[1], int(kept.dtype == torch.bfloat16), 0)
