"""Frames of sound to the vectors that are quantized, looking back at most three frames.

A word must get the same codes whatever came before it, so memory is a fault here: the features reach back 30 ms, and
by default no layer sees more than one frame. After 30 ms of silence, which every word of the assistant ends with, codes
hold nothing of the word before. The decoder, which only has to sound right, remembers for longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from omniloom.codecs.audio.spectrum import NUM_FEATURES, NUM_PAST_SAMPLES, SAMPLES_PER_FRAME, frame_features
from omniloom.kernels import PackedFrameNetwork
from omniloom.layers.streaming_conv import CausalBlock, CausalConv, Streamed, join_past

MAX_PAST_FRAMES = 3


class EncoderState(NamedTuple):
    """What the next piece needs: the last samples, and the last frames of features."""

    samples: Float[Tensor, "B past"]
    features: Float[Tensor, "B P D"] | None


class Encoder(nn.Module):
    """Features -> convolution over `taps` frames -> single-frame blocks -> `num_channels` values."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 256
        taps: int = 1
        num_blocks: int = 2

        def __post_init__(self) -> None:
            past = self.taps - 1 + -(-NUM_PAST_SAMPLES // SAMPLES_PER_FRAME)
            if past > MAX_PAST_FRAMES:
                raise ValueError(f"taps={self.taps} looks back {past} frames, at most {MAX_PAST_FRAMES} are allowed")

    def __init__(self, config: Encoder.Config, *, num_channels: int) -> None:
        super().__init__()
        self.taps = config.taps
        self.into = CausalConv(NUM_FEATURES, config.width, taps=config.taps)
        self.blocks = nn.ModuleList(CausalBlock(config.width, taps=1) for _ in range(config.num_blocks))
        self.out = nn.Linear(config.width, num_channels)
        nn.init.normal_(self.out.weight, std=0.5 * config.width**-0.5)

    def forward(
        self, samples: Float[Tensor, "B N"], state: EncoderState | None = None
    ) -> tuple[Float[Tensor, "B F C"], EncoderState]:
        """One vector a frame; `samples` must be whole frames."""
        if samples.shape[-1] % SAMPLES_PER_FRAME:
            raise ValueError(f"samples must be whole frames of {SAMPLES_PER_FRAME}, got {samples.shape[-1]}")
        if state is None:
            state = EncoderState(samples.new_zeros(samples.shape[0], NUM_PAST_SAMPLES), None)
        joined = torch.cat([state.samples, samples], dim=-1)
        features = frame_features(joined)
        past = state.features if state.features is not None else self._silence(features)
        values, past = self._network(features, past)
        return values, EncoderState(joined[:, -NUM_PAST_SAMPLES:], past)

    def for_inference(self) -> nn.Module:
        return _NativeEncoder(self)

    def _network(self, features: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"]) -> Streamed:
        x, past = self.into(features, past)
        for block in self.blocks:
            x = block(x).frames
        return Streamed(self.out(x), past)

    def _silence(self, features: Tensor) -> Tensor:
        """Features of silence before the start, so that a first word is heard as one after a pause."""
        zeros = features.new_zeros(1, NUM_PAST_SAMPLES + SAMPLES_PER_FRAME)
        return frame_features(zeros).expand(features.shape[0], self.taps - 1, -1)


class _NativeEncoder(Encoder):
    """The same for inference, in float64: one operator over the frames' features."""

    def __init__(self, encoder: Encoder) -> None:
        nn.Module.__init__(self)
        self.taps = encoder.taps
        self.packed = PackedFrameNetwork(
            encoder.into.linear, [cast(CausalBlock, block).for_inference() for block in encoder.blocks], encoder.out
        )

    def _network(self, features: Float[Tensor, "B F D"], past: Float[Tensor, "B P D"]) -> Streamed:
        if self.taps > 1:
            joined, past = join_past(features, past, num_past=self.taps - 1)
            features = torch.cat([joined[:, tap : tap + features.shape[1]] for tap in range(self.taps)], dim=-1)
        return Streamed(self.packed(features), past)
