"""A stack of causal layers in one call gives the bits of its layers one after another, whole and in pieces."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from omniloom.kernels import Bounds, PackedCausalBlock, PackedCausalStack, PackedConv, prepack
from omniloom.kernels.causal_block import reference

pytestmark = pytest.mark.usefixtures("seeded")

BOUNDS = Bounds(low=-11.0, high=3.0, middle=-4.0, reach=3.5)


def block(width: int, hidden: int, *, taps: int, dilation: int) -> PackedCausalBlock:
    weights = (torch.randn(taps, width), torch.rand(width) + 0.5, torch.randn(hidden, width) * width**-0.5)
    narrow = torch.randn(width, hidden) * hidden**-0.5
    return PackedCausalBlock(*weights, torch.randn(hidden), narrow, torch.randn(width), dilation=dilation, epsilon=1e-6)


def conv(width: int, channels: int, *, taps: int, dilation: int = 1) -> PackedConv:
    return prepack(torch.randn(channels, width, taps) * width**-0.5, torch.randn(channels), dilation=dilation)


def layers() -> list[PackedCausalBlock | PackedConv]:
    """Two taps in, blocks, each frame spread over three, a block there, and out: as a codec's decoder has them."""
    return [
        conv(5, 37, taps=2, dilation=2),
        block(37, 65, taps=3, dilation=4),
        block(37, 40, taps=1, dilation=1),
        conv(37, 72, taps=1),
        block(24, 48, taps=5, dilation=1),
        conv(24, 35, taps=1),
    ]


def one_by_one(stack: PackedCausalStack, frames: Tensor) -> Tensor:
    for index, layer in enumerate(stack.layers):
        frames = (layer.stream if isinstance(layer, PackedConv) else layer)(frames).frames
        if index == 3:
            frames = frames.unflatten(-1, (3, -1)).flatten(1, 2)
    return frames


@pytest.mark.parametrize(("streams", "num_frames"), [(1, 1), (1, 2), (3, 7), (2, 113), (2, 0), (0, 3)])
def test_equals_its_layers(isa: str, streams: int, num_frames: int) -> None:
    plain, bounded = (PackedCausalStack(layers(), spreads={3: 3}, bounds=bounds) for bounds in (None, BOUNDS))
    frames = torch.randn(streams, num_frames, 10)[..., ::2]  # strided
    assert torch.equal(plain(frames).frames, one_by_one(plain, frames))
    low, high, middle, reach = BOUNDS
    expected = low + (high - low) * torch.sigmoid((one_by_one(bounded, frames).double() - middle) / reach)
    # Rounding at up to `low`, and the exponential's 2 units in the last place.
    torch.testing.assert_close(bounded(frames).frames.double(), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_pieces_give_the_bits_of_the_whole(isa: str, size: int) -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3}, bounds=BOUNDS)
    frames = torch.randn(2, 113, 5)
    whole, pieces, pasts = stack(frames), [], ()
    for piece in frames.split(size, dim=1):
        found, pasts = stack(piece, pasts)
        pieces.append(found)
    assert torch.equal(torch.cat(pieces, dim=1), whole.frames)
    assert [past.shape for past in pasts] == [past.shape for past in whole.pasts]
    assert all(map(torch.equal, pasts, whole.pasts))
    assert torch.equal(stack(frames[1:]).frames, whole.frames[1:])


def test_equals_the_reference(isa: str) -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3}, bounds=BOUNDS)
    frames = torch.randn(2, 9, 5)
    pasts = [torch.randn_like(past) for past in stack(frames).pasts]
    found = stack(frames, pasts)
    arguments = (stack._weights, stack._numbers, stack.epsilon, list(stack.bounds))
    expected, after = reference.causal_stack(frames, pasts, *arguments)
    torch.testing.assert_close(found.frames, expected, rtol=0, atol=1e-5)
    for ours, theirs in zip(found.pasts, after, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_copies_and_moved_ones_have_weights_of_their_own() -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3})
    frames = torch.randn(1, 4, 5)
    before = stack(frames).frames
    copied = copy.deepcopy(stack)
    with torch.no_grad():
        for buffer in copied.buffers():
            buffer.zero_()
    assert torch.equal(stack(frames).frames, before) and not copied(frames).frames.any()
    assert torch.equal(stack.double().float()(frames).frames, before)


def test_what_does_not_fit_is_refused() -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3})
    frames = torch.randn(1, 4, 5)
    pasts = stack(frames).pasts
    with pytest.raises(ValueError, match=r"frames must be float32 \(B, F, 5\), got torch.float32 \[1, 4, 6\]"):
        stack(torch.randn(1, 4, 6))
    with pytest.raises(ValueError, match="pasts must be the 4 that the last call gave, or none, got 3"):
        stack(frames, pasts[:3])
    with pytest.raises(RuntimeError, match="past must be"):
        stack(torch.randn(2, 4, 5), pasts)
    with pytest.raises(ValueError, match="need a gradient"):
        stack(frames.requires_grad_())
    with pytest.raises(ValueError, match="of stride 1, one group, no activation"):
        PackedCausalStack([prepack(torch.randn(4, 4, 2), activation="relu")])
    with pytest.raises(ValueError, match="channels that 3 divides"):
        PackedCausalStack([conv(5, 10, taps=1)], spreads={0: 3})
    with pytest.raises(ValueError, match="only a convolution's results spread"):
        PackedCausalStack([block(4, 8, taps=1, dilation=1)], spreads={0: 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights, numbers: (weights[:-1], numbers), "too few weights"),
        (lambda weights, numbers: ([*weights, weights[0]], numbers), "more weights or pasts"),
        (lambda weights, numbers: (weights, numbers[:-1]), "5 numbers each"),
        (lambda weights, numbers: (weights, [0, 36, *numbers[2:]]), "taps must be|must be"),
        (lambda weights, numbers: (weights, [0, 0, *numbers[2:]]), "layer 0 is none"),
    ],
)
def test_the_operator_reads_no_further_than_its_weights(change, message) -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3})
    weights, numbers = change(stack._weights, stack._numbers)
    with pytest.raises(RuntimeError, match=message):
        torch.ops.omniloom.causal_stack(torch.randn(1, 4, 5), [], weights, numbers, 1e-6, [])


def test_opcheck() -> None:
    stack = PackedCausalStack(layers(), spreads={3: 3}, bounds=BOUNDS)
    frames = torch.randn(2, 4, 5)
    arguments = (stack._weights, stack._numbers, stack.epsilon, list(stack.bounds))
    for pasts in ([], stack(frames).pasts):
        torch.library.opcheck(torch.ops.omniloom.causal_stack.default, (frames, pasts, *arguments))


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.packed = PackedCausalStack(layers(), spreads={3: 3}, bounds=BOUNDS)

    def forward(self, frames: Tensor) -> Tensor:
        weights, numbers = self.packed._weights, self.packed._numbers
        found: Tensor = torch.ops.omniloom.causal_stack(frames, [], weights, numbers, 1e-6, BOUNDS)[0]
        return found


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # inductor's own
def test_compiles_and_exports_whole() -> None:
    stack, frames = Stack(), torch.randn(2, 5, 5)
    torch.testing.assert_close(torch.compile(stack, fullgraph=True)(frames), stack(frames))
    torch.testing.assert_close(torch.export.export(stack, (frames,)).module()(frames), stack(frames))
