"""A causal block of packed weights as one operator of torch.

Piece by piece a sound comes a few frames at a time, and the dozen calls of torch that a block takes then cost more than
its arithmetic. There is no gradient, and asking for one is an error.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.kernels.causal_block import reference
from omniloom.kernels.convolution.operator import StreamedConv
from omniloom.kernels.convolution.weights import pack, pack_bias
from omniloom.kernels.registration import define

_causal_block = define(
    "causal_block(Tensor frames, Tensor past, Tensor taps, Tensor norm, Tensor widen, Tensor widen_bias, "
    "Tensor narrow, Tensor narrow_bias, int hidden, int dilation, float epsilon) -> (Tensor, Tensor)",
    reference=reference.causal_block,
    fake=reference.causal_block_fake,
)


class PackedCausalBlock(nn.Module):
    """frames -> frames + narrow(gelu(widen(norm(frames + taps of frames and past)))), with the tanh form of GELU.

    Args:
        taps: Weights of each channel, oldest frame first; the last is the frame's own.
        norm: Of the root-mean-square norm; `epsilon` is added to the mean square.
    """

    def __init__(
        self,
        taps: Float[Tensor, "taps D"],
        norm: Float[Tensor, " D"],
        widen: Float[Tensor, "H D"],
        widen_bias: Float[Tensor, " H"],
        narrow: Float[Tensor, "D H"],
        narrow_bias: Float[Tensor, " D"],
        *,
        dilation: int,
        epsilon: float,
    ) -> None:
        super().__init__()
        weights = (taps, norm, widen, widen_bias, narrow, narrow_bias)
        if any(weight.dtype != torch.float32 for weight in weights):
            raise ValueError(f"weights must be float32, got {', '.join(str(weight.dtype) for weight in weights)}")
        self.width, self.num_taps = taps.shape[1], len(taps)
        self.num_past = (self.num_taps - 1) * dilation
        self.hidden, self.dilation, self.epsilon = len(widen), dilation, epsilon
        packed = (taps.clone(), norm.clone(), _panels(widen), pack_bias(widen_bias, 1), _panels(narrow))
        for name, weight in zip(_NAMES, (*packed, pack_bias(narrow_bias, 1)), strict=True):
            self.register_buffer(name, weight.detach())

    def forward(self, frames: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"] | None = None) -> StreamedConv:
        """The next piece of a sound, and the past for the one after it; no past stands for zeros.

        Raises:
            ValueError: If shapes do not fit, or a gradient is asked for.
        """
        buffers = self._buffers
        width = self.width
        if frames.dim() != 3 or frames.shape[2] != width or frames.dtype != torch.float32:
            raise ValueError(f"frames must be float32 (B, F, {width}), got {frames.dtype} {list(frames.shape)}")
        wanted = (frames.shape[0], self.num_past, width)
        if past is None:
            past = frames.new_zeros(wanted)
        elif past.shape != wanted or past.dtype != torch.float32:
            raise ValueError(f"past must be what the last call gave, {wanted}, got {past.dtype} {tuple(past.shape)}")
        if torch.is_grad_enabled() and frames.requires_grad:
            raise ValueError("frames need a gradient, which packed weights do not give; use torch.no_grad()")
        weights = [buffers[name] for name in _NAMES]
        return StreamedConv(*_causal_block(frames, past, *weights, self.hidden, self.dilation, self.epsilon))


_NAMES = ("taps", "norm", "widen", "widen_bias", "narrow", "narrow_bias")


def _panels(weight: Tensor) -> Tensor:
    return pack(weight[..., None], 1)
