"""A causal block natively equals float64, whole and in pieces, on every instruction set; what does not fit is named."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.kernels import PackedCausalBlock

pytestmark = pytest.mark.usefixtures("seeded")

ERROR = 3e-6
"""Of the output's scale: sums of at most a few hundred float32 products, one after the other, twice."""


def weights_of(width: int, hidden: int, taps: int) -> list[Tensor]:
    return [
        torch.randn(taps, width),
        torch.rand(width) + 0.5,
        torch.randn(hidden, width) * width**-0.5,
        torch.randn(hidden),
        torch.randn(width, hidden) * hidden**-0.5,
        torch.randn(width),
    ]


def exact(frames: Tensor, past: Tensor, weights: list[Tensor], dilation: int) -> Tensor:
    taps, norm, widen, widen_bias, narrow, narrow_bias = (weight.double() for weight in weights)
    joined = torch.cat([past, frames], dim=1).double()
    shifted = [joined[:, i * dilation : i * dilation + frames.shape[1]] for i in range(len(taps))]
    mixed = frames + sum(x * tap for x, tap in zip(shifted, taps, strict=True))
    hidden = F.gelu(F.linear(F.rms_norm(mixed, norm.shape, norm, 1e-6), widen, widen_bias), approximate="tanh")
    return frames + F.linear(hidden, narrow, narrow_bias)


@pytest.mark.parametrize(
    ("width", "hidden", "taps", "dilation"),
    [(256, 512, 3, 4), (128, 256, 5, 1), (24, 48, 1, 1), (1, 1, 2, 3), (37, 65, 4, 2), (16, 33, 3, 1)],
)
@pytest.mark.parametrize(("streams", "num_frames"), [(1, 1), (1, 2), (2, 13), (3, 49), (1, 97), (2, 0), (0, 3)])
def test_equals_float64(
    isa: str, width: int, hidden: int, taps: int, dilation: int, streams: int, num_frames: int
) -> None:
    weights = weights_of(width, hidden, taps)
    block = PackedCausalBlock(*weights, dilation=dilation, epsilon=1e-6)
    frames, past = torch.randn(streams, num_frames, width), torch.randn(streams, (taps - 1) * dilation, width)
    found, after = block(frames, past)
    expected = exact(frames, past, weights, dilation)
    scale = float(expected.abs().max().clamp_min(1)) if expected.numel() else 1.0
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=ERROR * scale)
    assert torch.equal(after, torch.cat([past, frames], dim=1)[:, num_frames:])
    assert torch.equal(block(frames).frames, block(frames, torch.zeros_like(past)).frames)


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_pieces_give_the_bits_of_the_whole(isa: str, size: int) -> None:
    block = PackedCausalBlock(*weights_of(37, 65, 3), dilation=4, epsilon=1e-6)
    frames = torch.randn(2, 113, 74)[:, :, ::2]  # strided
    whole, pieces, past = block(frames).frames, [], None
    for piece in frames.split(size, dim=1):
        found, past = block(piece, past)
        pieces.append(found)
    assert torch.equal(torch.cat(pieces, dim=1), whole)
    assert torch.equal(block(frames[1:]).frames, whole[1:])


def test_nan_and_infinity_stay_in_their_frames(isa: str) -> None:
    block = PackedCausalBlock(*weights_of(24, 48, 1), dilation=1, epsilon=1e-6)
    frames = torch.randn(1, 4, 24)
    clean = block(frames).frames
    frames[0, 1, 3], frames[0, 2, 5] = torch.nan, torch.inf
    found = block(frames).frames
    assert not found[0, 1:3].isfinite().all(-1).any()
    assert torch.equal(found[0, ::3], clean[0, ::3])


def test_what_does_not_fit_is_refused() -> None:
    weights = weights_of(24, 48, 3)
    block = PackedCausalBlock(*weights, dilation=2, epsilon=1e-6)
    with pytest.raises(ValueError, match=r"frames must be float32 \(B, F, 24\), got torch.float32 \[1, 5, 23\]"):
        block(torch.randn(1, 5, 23))
    with pytest.raises(ValueError, match="past must be what the last call gave"):
        block(torch.randn(1, 5, 24), torch.randn(1, 3, 24))
    with pytest.raises(ValueError, match="need a gradient"):
        block(torch.randn(1, 5, 24, requires_grad=True))
    with pytest.raises(ValueError, match="weights must be float32"):
        PackedCausalBlock(*[weight.double() for weight in weights], dilation=2, epsilon=1e-6)
    arguments = (*block.buffers(), 48, 2, 1e-6)
    with pytest.raises(RuntimeError, match="past must be 96 adjacent numbers"):
        torch.ops.omniloom.causal_block(torch.randn(1, 5, 24), torch.randn(1, 3, 24), *arguments)
    with pytest.raises(RuntimeError, match="widen must be"):
        torch.ops.omniloom.causal_block(torch.randn(1, 5, 24), torch.randn(1, 4, 24), *arguments[:6], 96, 2, 1e-6)


def test_opcheck() -> None:
    block = PackedCausalBlock(*weights_of(24, 48, 3), dilation=2, epsilon=1e-6)
    arguments = (torch.randn(2, 5, 24), torch.randn(2, 4, 24), *block.buffers(), 48, 2, 1e-6)
    torch.library.opcheck(torch.ops.omniloom.causal_block.default, arguments)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.packed = PackedCausalBlock(*weights_of(24, 48, 3), dilation=2, epsilon=1e-6)

    def forward(self, frames: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.ops.omniloom.causal_block(frames, past, *self.packed.buffers(), 48, 2, 1e-6)
        return found[0], found[1]


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # inductor's own
def test_compiles_and_exports_whole() -> None:
    block, given = Block(), (torch.randn(2, 5, 24), torch.randn(2, 4, 24))
    torch.testing.assert_close(torch.compile(block, fullgraph=True)(*given), block(*given))
    torch.testing.assert_close(torch.export.export(block, given).module()(*given), block(*given))
