"""A network over frames natively equals its reference in float64, and a frame's bits depend on no other frame."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from omniloom.kernels import PackedCausalBlock, PackedFrameNetwork
from omniloom.kernels.frame_network import reference

pytestmark = pytest.mark.usefixtures("seeded")

ERROR = 1e-13
"""Of the result's scale: a few hundred products of float64 in a sum, in one order or another."""


def block(width: int, hidden: int, *, taps: int = 1) -> PackedCausalBlock:
    weights = (torch.randn(taps, width), torch.rand(width) + 0.5, torch.randn(hidden, width) * width**-0.5)
    narrow = torch.randn(width, hidden) * hidden**-0.5
    return PackedCausalBlock(*weights, torch.randn(hidden), narrow, torch.randn(width), dilation=1, epsilon=1e-6)


def network(depth: int, width: int, hidden: tuple[int, ...], channels: int) -> PackedFrameNetwork:
    blocks = [block(width, size) for size in hidden]
    return PackedFrameNetwork(nn.Linear(depth, width), blocks, nn.Linear(width, channels))


@pytest.mark.parametrize(
    ("depth", "width", "hidden", "channels"),
    [(512, 256, (512, 512), 12), (5, 37, (65,), 33), (1, 1, (1,), 1), (16, 32, (), 32), (7, 64, (31, 96), 100)],
)
@pytest.mark.parametrize("shape", [(1, 1), (2, 4), (3, 7), (0, 3)])
def test_equals_the_reference(
    isa: str, depth: int, width: int, hidden: tuple[int, ...], channels: int, shape: tuple[int, int]
) -> None:
    packed = network(depth, width, hidden, channels)
    frames = 3 * torch.randn(*shape, 2 * depth, dtype=torch.float64)[..., ::2]  # strided
    found = packed(frames)
    expected = reference.frame_network(frames, packed._weights, packed._widths, packed.epsilon)
    scale = float(expected.abs().max().clamp_min(1)) if expected.numel() else 1.0
    assert found.shape == (*shape, channels)
    torch.testing.assert_close(found.flatten(0, 1), expected, rtol=0, atol=ERROR * scale)


def test_a_frame_alone_has_the_bits_that_it_has_among_others(isa: str) -> None:
    packed, frames = network(7, 37, (65, 40), 5), torch.randn(2, 23, 7, dtype=torch.float64)
    whole = packed(frames)
    for size in (1, 3, 4, 5):
        assert torch.equal(torch.cat([packed(piece) for piece in frames.split(size, dim=1)], dim=1), whole)
    assert torch.equal(packed(frames[1, 4]), whole[1, 4])


def test_large_and_missing_numbers_stay_in_their_frames(isa: str) -> None:
    packed, frames = network(7, 37, (65,), 5), torch.randn(6, 7, dtype=torch.float64)
    clean = packed(frames)
    frames[1, 2], frames[2, 3], frames[3] = torch.nan, torch.inf, 1e30
    found = packed(frames)
    assert not found[1:3].isfinite().any() and found[3].isfinite().all()
    assert torch.equal(found[[0, 4, 5]], clean[[0, 4, 5]])


def test_copies_and_moved_ones_have_weights_of_their_own() -> None:
    packed, frames = network(7, 37, (65,), 5), torch.randn(2, 7, dtype=torch.float64)
    before, copied = packed(frames), copy.deepcopy(packed)
    for buffer in copied.buffers():
        buffer.zero_()
    assert torch.equal(packed(frames), before) and not copied(frames).any()
    assert torch.equal(packed.double().float()(frames), before)


def test_what_does_not_fit_is_refused() -> None:
    packed = network(7, 37, (65,), 5)
    frames = torch.randn(2, 7, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"frames must be float64 \(..., 7\), got torch.float32 \[2, 7\]"):
        packed(frames.float())
    with pytest.raises(ValueError, match="need a gradient"):
        packed(frames.requires_grad_())
    with pytest.raises(ValueError, match=r"one tap and one epsilon, got \[2\] taps"):
        PackedFrameNetwork(nn.Linear(7, 8), [block(8, 9, taps=2)], nn.Linear(8, 2))
    with pytest.raises(ValueError, match="weights must be float32"):
        PackedFrameNetwork(nn.Linear(7, 8).double(), [], nn.Linear(8, 2))
    with torch.no_grad():
        for weights, widths, message in (
            (packed._weights[1:], packed._widths, "6 weights each and 4 more"),
            (packed._weights, [37, 97, 5], "widen must be"),
            (packed._weights, [0, 65, 5], "a layer of 7 to 0 is none"),
        ):
            with pytest.raises(RuntimeError, match=message):
                torch.ops.omniloom.frame_network(frames, weights, widths, 1e-6)


def test_opcheck() -> None:
    packed, frames = network(7, 37, (65,), 5), torch.randn(2, 3, 7, dtype=torch.float64)
    arguments = (frames, packed._weights, packed._widths, packed.epsilon)
    torch.library.opcheck(torch.ops.omniloom.frame_network.default, arguments)
