"""Codes to pitch and spectral envelopes, and those to sound.

A stack of causal convolutions runs at the 40 ms frames of the codes, a smaller one at the 10 ms hops of the oscillator.
Both look back only; the slow one by over half a second, for the envelope of a hop depends on how the sound came there.
Pitch comes from the codes of its own frame alone, by a table for each group: a network with memory would give pitches
that differ in the last digit between whole and streamed decoding, and the pulses would part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from omniloom.codecs.audio.oscillator import Clock, Oscillator
from omniloom.codecs.audio.spectrum import HOPS_PER_FRAME
from omniloom.kernels import Bounds, PackedCausalBlock, PackedCausalStack, PackedConv, prepack
from omniloom.layers.streaming_conv import CausalBlock, CausalConv

EARS_FLOOR = -11.0
"""Natural logarithm of the quietest envelope: under the rounding of 16-bit samples."""

BOUNDS = Bounds(low=EARS_FLOOR, high=3.0, middle=-4.0, reach=3.5)
"""Envelopes lie between silence and about full scale, so that no codes can make a burst."""


class DecoderState(NamedTuple):
    """What the next piece needs: every convolution's past, the oscillator's clock and its overhang."""

    pasts: tuple[Tensor, ...]
    clock: Clock
    overhang: Tensor


class Decoder(nn.Module):
    """Values of the quantizer -> slow blocks at frames -> fast blocks at hops -> envelopes -> samples."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 256
        dilations: tuple[int, ...] = (1, 2, 4)
        hop_width: int = 128
        num_hop_blocks: int = 2
        num_bands: int = 80

    def __init__(self, config: Decoder.Config, *, num_channels: int) -> None:
        super().__init__()
        self.into = CausalConv(num_channels, config.width, taps=2)
        self.blocks = nn.ModuleList(CausalBlock(config.width, taps=3, dilation=d) for d in config.dilations)
        self.spread = nn.Linear(config.width, HOPS_PER_FRAME * config.hop_width)
        self.hop_blocks = nn.ModuleList(CausalBlock(config.hop_width, taps=5) for _ in range(config.num_hop_blocks))
        self.out = nn.Linear(config.hop_width, 2 * config.num_bands)
        nn.init.constant_(self.out.bias, -4.0)
        self.oscillator = Oscillator(config.num_bands)

    def forward(
        self,
        values: Float[Tensor, "B F C"],
        pitches: Int[Tensor, "B F"],
        state: DecoderState | None = None,
    ) -> tuple[Float[Tensor, "B N"], DecoderState]:
        """640 samples a frame; `pitches` are indices of the oscillator's table."""
        old = iter(state.pasts) if state is not None else None
        new: list[Tensor] = []

        def run(module: nn.Module, x: Tensor) -> Tensor:
            frames, past = module(x, next(old) if old is not None else None)
            new.append(past)
            return frames

        x = run(self.into, values)
        for block in self.blocks:
            x = run(block, x)
        x = self.spread(x).unflatten(-1, (HOPS_PER_FRAME, -1)).flatten(1, 2)
        for block in self.hop_blocks:
            x = run(block, x)
        bands = _bounded(self.out(x).float())
        samples, clock, overhang = self.oscillator(bands, pitches, *(state[1:] if state is not None else ()))
        return samples, DecoderState(tuple(new), clock, overhang)

    def for_inference(self) -> nn.Module:
        return _NativeDecoder(self)


class _NativeDecoder(nn.Module):
    """The same for inference: all layers are one operator, which makes a chunk of a frame three times as fast."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        layers = (decoder.into, *decoder.blocks, decoder.spread, *decoder.hop_blocks, decoder.out)
        spread = 1 + len(decoder.blocks)
        self.stack = PackedCausalStack(
            [_packed(layer) for layer in layers], spreads={spread: HOPS_PER_FRAME}, bounds=BOUNDS
        )
        self.oscillator = decoder.oscillator.for_inference()

    def forward(
        self, values: Float[Tensor, "B F C"], pitches: Int[Tensor, "B F"], state: DecoderState | None = None
    ) -> tuple[Float[Tensor, "B N"], DecoderState]:
        bands, pasts = self.stack(values, () if state is None else state.pasts)
        samples, clock, overhang = self.oscillator(bands, pitches, *(state[1:] if state is not None else ()))
        return samples, DecoderState(tuple(pasts), clock, overhang)


def _packed(layer: nn.Module) -> PackedCausalBlock | PackedConv:
    if isinstance(layer, CausalBlock):
        return layer.for_inference()
    if isinstance(layer, CausalConv):
        return layer.packed()
    assert isinstance(layer, nn.Linear)
    return prepack(layer.weight[..., None], layer.bias)


def _bounded(envelope: Tensor) -> Tensor:
    low, high, middle, reach = BOUNDS
    return low + (high - low) * torch.sigmoid((envelope - middle) / reach)
