"""Causal convolutions: pieces equal the whole, and nothing looks ahead."""

import pytest
import torch

from omniloom.layers.streaming_conv import CausalBlock, CausalConv, DepthwiseCausalConv


def modules():
    torch.manual_seed(0)
    return [
        CausalConv(6, 4, taps=3),
        CausalConv(6, 6, taps=1),
        DepthwiseCausalConv(6, taps=3, dilation=4),
        CausalBlock(6, taps=5),
    ]


@pytest.mark.parametrize("module", modules(), ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("size", [1, 2, 5, 23])
def test_pieces_equal_whole(module, size):
    x = torch.randn(2, 23, 6)
    whole = module(x).frames
    past, parts = None, []
    for piece in x.split(size, dim=1):
        frames, past = module(piece, past)
        parts.append(frames)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("module", modules(), ids=lambda m: type(m).__name__)
def test_reaches_back_exactly_as_far_as_it_says(module):
    x = torch.randn(1, 30, 6, requires_grad=True)
    module(x).frames[0, 20].sum().backward()
    seen = x.grad[0].abs().sum(-1).nonzero()[:, 0]
    assert seen.max() == 20
    assert seen.min() == 20 - module.num_past


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="taps must be at least 1, got 0"):
        CausalConv(2, 2, taps=0)
    with pytest.raises(ValueError, match="got 3 and 0"):
        DepthwiseCausalConv(2, taps=3, dilation=0)
