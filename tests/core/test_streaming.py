"""Streamed equals whole, two streams share one module, and a state is of its module only."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from omniloom.core.streaming import StreamingModule


@dataclass
class Past:
    frames: Tensor


class CausalConvolution(StreamingModule[Past]):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, channels, kernel)
        self.num_past = kernel - 1

    def new_state(self, batch_size: int) -> Past:
        return Past(torch.zeros(batch_size, self.convolution.in_channels, self.num_past))

    def forward(self, signal: Tensor) -> Tensor:
        state = self.carried
        past = state.frames if state is not None else self.new_state(signal.shape[0]).frames
        signal = torch.cat([past, signal], dim=-1)
        if state is not None:
            state.frames = signal[..., signal.shape[-1] - self.num_past :]
        return self.convolution(signal)


class Stack(StreamingModule[None]):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(CausalConvolution(2, 3), nn.GELU(), CausalConvolution(2, 4))

    def new_state(self, batch_size: int) -> None:
        return None

    def forward(self, signal: Tensor) -> Tensor:
        return self.layers(signal)


@pytest.fixture
def stack() -> Stack:
    torch.manual_seed(0)
    return Stack().requires_grad_(False)


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_streamed_equals_whole(stack: Stack, chunk: int) -> None:
    signal = torch.randn(2, 2, 20)
    with stack.streaming(batch_size=2):
        parts = [stack(part) for part in signal.split(chunk, dim=-1)]
    torch.testing.assert_close(torch.cat(parts, dim=-1), stack(signal), rtol=0, atol=1e-6)
    assert not stack.is_streaming and stack.layers[0].carried is None


def test_two_streams_share_one_module(stack: Stack) -> None:
    signals = torch.randn(2, 1, 2, 12)
    states = [stack.initial_state(1) for _ in signals]
    outputs: list[list[Tensor]] = [[], []]
    for start in range(0, 12, 4):
        for i in range(2):
            with stack.streaming_from(states[i]):
                outputs[i].append(stack(signals[i, :, :, start : start + 4]))
    for i in range(2):
        torch.testing.assert_close(torch.cat(outputs[i], dim=-1), stack(signals[i]), rtol=0, atol=1e-6)


def test_a_stream_ends_when_its_block_does_even_by_an_error(stack: Stack) -> None:
    with pytest.raises(RuntimeError), stack.streaming(batch_size=1):
        stack(torch.randn(1, 3, 5))
    assert not stack.is_streaming
    assert stack(torch.randn(1, 2, 5)).shape == (1, 2, 5)


def test_misuse_is_named(stack: Stack) -> None:
    with stack.streaming(batch_size=1), pytest.raises(ValueError, match="streaming already"), stack.streaming(1):
        pass
    with pytest.raises(ValueError, match="this state is of a module with"), stack.streaming_from({"": None}):
        pass
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        stack.initial_state(0)
