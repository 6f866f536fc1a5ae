"""The oscillator's operators equal their references on every instruction set, in pieces and whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from omniloom.kernels import filter_sources, overlap_add, pulse_windows
from omniloom.kernels.oscillator import reference

HOP, HOPS_PER_FRAME = 160, 4
WINDOW = torch.hann_window(320)


pytestmark = pytest.mark.usefixtures("seeded")


def clocks(streams: int, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Steps of 55 to 480 Hz at 16 kHz, a phase, and the step before."""
    low, high = (round(hz / 16_000 * 2**32) for hz in (55, 480))
    steps = torch.randint(low, high, (streams, num_frames))
    return steps, torch.randint(0, 2**32, (streams,)), torch.randint(low, high, (streams,))


@pytest.mark.parametrize("width", [320, 1, 37])
@pytest.mark.parametrize(("streams", "num_frames"), [(1, 1), (3, 7), (0, 2)])
def test_pulses_equal_the_reference(isa: str, width: int, streams: int, num_frames: int) -> None:
    clock, window = clocks(streams, num_frames), torch.hann_window(width, periodic=False)
    found, phase = pulse_windows(*clock, window, HOP, HOPS_PER_FRAME)
    expected, expected_phase = reference.pulse_windows(*clock, window, HOP, HOPS_PER_FRAME)
    assert torch.equal(phase, expected_phase)
    # Float32's own error in the argument of a sine of up to 450 radians, over the sine that it is divided by.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_pulses_in_pieces_give_the_bits_of_the_whole(isa: str) -> None:
    steps, phase, step = clocks(2, 9)
    whole, end = pulse_windows(steps, phase, step, WINDOW, HOP, HOPS_PER_FRAME)
    first, between = pulse_windows(steps[:, :4], phase, step, WINDOW, HOP, HOPS_PER_FRAME)
    second, after = pulse_windows(steps[:, 4:], between, steps[:, 3], WINDOW, HOP, HOPS_PER_FRAME)
    assert torch.equal(torch.cat([first, second], dim=1), whole)
    assert torch.equal(after, end)


def test_pulses_at_the_ends_of_what_is_allowed(isa: str) -> None:
    steps = torch.tensor([[1, 2**31 - 1, 2**30]])
    clock = (steps, torch.tensor([2**32 - 1]), torch.tensor([1]))
    found, phase = pulse_windows(*clock, WINDOW, HOP, HOPS_PER_FRAME)
    assert found[:, HOPS_PER_FRAME:].isfinite().all()
    assert torch.equal(phase, reference.pulse_windows(*clock, WINDOW, HOP, HOPS_PER_FRAME)[1])
    for wrong in (0, -5, 2**31):
        with pytest.raises(RuntimeError, match=f"a step must be from 1 to 2\\^31 - 1, got {wrong}"):
            pulse_windows(torch.tensor([[wrong]]), clock[1], clock[2], WINDOW, HOP, HOPS_PER_FRAME)


@pytest.mark.parametrize("bins", [241, 1, 16, 35])
@pytest.mark.parametrize(("streams", "hops", "first"), [(1, 1, 0), (2, 9, 5), (1, 70, 3), (0, 4, 1)])
def test_filters_equal_float64(isa: str, bins: int, streams: int, hops: int, first: int) -> None:
    pulses = torch.randn(streams, hops, bins, dtype=torch.complex64)
    noises = torch.randn(7, bins, dtype=torch.complex64)
    pulse_filter = torch.cat([torch.randn(streams, hops, bins), 10 * torch.randn(streams, hops, bins)], dim=-1)
    noise_filter = torch.randn(streams, hops, bins)
    found = filter_sources(pulses, noises, first, pulse_filter, noise_filter)
    exact = (
        pulses.to(torch.complex128),
        noises.to(torch.complex128),
        first,
        pulse_filter.double(),
        noise_filter.double(),
    )
    torch.testing.assert_close(found.to(torch.complex128), reference.filter_sources(*exact), rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("has_overhang", [False, True])
@pytest.mark.parametrize(("streams", "hops", "parts"), [(1, 1, 3), (2, 5, 3), (1, 2, 1), (0, 2, 3)])
def test_overlap_equals_the_reference(isa: str, streams: int, hops: int, parts: int, has_overhang: bool) -> None:
    windows = torch.randn(streams, hops, parts * HOP)
    overhang = torch.randn(streams, (parts - 1) * HOP) if has_overhang else None
    found, expected = overlap_add(windows, overhang, HOP), reference.overlap_add(windows, overhang, HOP)
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=0, atol=2e-6)


def test_what_does_not_fit_is_refused() -> None:
    pulses, noises = torch.randn(1, 2, 9, dtype=torch.complex64), torch.randn(3, 9, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match="pulse_filter must be 36 numbers"):
        filter_sources(pulses, noises, 0, torch.randn(1, 2, 9), torch.randn(1, 2, 9))
    with pytest.raises(RuntimeError, match="noises must be"):
        filter_sources(pulses, noises.to(torch.complex128), 0, torch.randn(1, 2, 18), torch.randn(1, 2, 9))
    with pytest.raises(RuntimeError, match="pulses must be"):
        filter_sources(pulses, noises, -1, torch.randn(1, 2, 18), torch.randn(1, 2, 9))
    with pytest.raises(RuntimeError, match="whole hops"):
        overlap_add(torch.randn(1, 2, 9), None, 2)
    with pytest.raises(RuntimeError, match="overhang must be 4 numbers"):
        overlap_add(torch.randn(1, 2, 6), torch.randn(1, 3), 2)


def test_opcheck() -> None:
    operators = torch.ops.omniloom
    torch.library.opcheck(operators.pulse_windows.default, (*clocks(2, 3), WINDOW, HOP, HOPS_PER_FRAME))
    pulses, noises = torch.randn(1, 2, 9, dtype=torch.complex64), torch.randn(3, 9, dtype=torch.complex64)
    filters = (torch.randn(1, 2, 18), torch.randn(1, 2, 9))
    torch.library.opcheck(operators.filter_sources.default, (pulses, noises, 2, *filters))
    torch.library.opcheck(operators.overlap_add.default, (torch.randn(1, 2, 6), torch.randn(1, 4), 2))
