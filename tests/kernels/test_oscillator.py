"""The oscillator equals its reference in float64 on every instruction set, in pieces and whole."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from omniloom.kernels.oscillator import PackedOscillator, reference

HOP, HOPS_PER_FRAME, BANDS, BINS = 160, 4, 7, 241
RATE_HZ = 16_000

pytestmark = pytest.mark.usefixtures("seeded")


class Sources(NamedTuple):
    """What an oscillator is made from."""

    pitch_steps: Tensor
    window: Tensor
    noises: Tensor
    pulse_filter: Tensor
    noise_filter: Tensor


def sources(*, window: int = 320) -> Sources:
    """Steps of 55 to 480 Hz; phases of up to ten radians."""
    steps = (torch.linspace(55, 480, 50) / RATE_HZ * reference.TURN).long()
    pulse_filter = torch.cat([torch.randn(BANDS, BINS), 5 * torch.randn(BANDS, BINS)], dim=1) / 3
    return Sources(
        steps,
        torch.hann_window(window, periodic=False),
        torch.randn(11, BINS, 2),
        pulse_filter,
        torch.randn(BANDS, BINS) / 3,
    )


def packed(given: Sources, *, hop: int = HOP) -> PackedOscillator:
    return PackedOscillator(*given, hop=hop, hops_per_frame=HOPS_PER_FRAME)


def piece(streams: int, num_frames: int) -> tuple[Tensor, Tensor]:
    return torch.randn(streams, num_frames * HOPS_PER_FRAME, 2 * BANDS), torch.randint(0, 50, (streams, num_frames))


def state(streams: int) -> tuple[Tensor, Tensor, Tensor]:
    phase, step = torch.randint(0, reference.TURN, (streams,)), torch.randint(2**24, 2**26, (streams,))
    return phase, step, torch.randn(streams, reference.SAMPLES - HOP)


@pytest.mark.parametrize("window", [320, 1, 37, 480])
@pytest.mark.parametrize(("streams", "num_frames", "num_hops"), [(1, 1, 0), (3, 7, 9), (1, 33, 4)])
@pytest.mark.parametrize("has_state", [False, True])
def test_equals_the_reference(
    isa: str, window: int, streams: int, num_frames: int, num_hops: int, has_state: bool
) -> None:
    given, (bands, pitches) = sources(window=window), piece(streams, num_frames)
    before = state(streams) if has_state else (None, None, None)
    found = packed(given)(bands, pitches, *before, num_hops=num_hops)
    steps = given.pitch_steps[pitches]
    clock = (before[0], before[1]) if has_state else (torch.zeros(streams, dtype=torch.long), steps[:, 0])
    windows, phase = reference.pulse_windows(steps, *clock, given.window, HOP, HOPS_PER_FRAME)
    of_pulses, of_noise = bands.double().chunk(2, dim=-1)
    spectra = reference.filter_sources(
        torch.fft.rfft(windows.double(), n=reference.SAMPLES),
        torch.view_as_complex(given.noises).to(torch.complex128),
        num_hops % 11,
        of_pulses @ given.pulse_filter.double(),
        of_noise @ given.noise_filter.double(),
    )
    overhang = before[2].double() if has_state else None
    samples, over = reference.overlap_add(torch.fft.irfft(spectra, n=reference.SAMPLES), overhang, HOP)
    assert torch.equal(found.phase, phase) and torch.equal(found.step, steps[:, -1])
    # Of the largest sample: float32's own error in the argument of a sine of up to 450 radians, over the sine that it
    # is divided by, times filters of up to e^5.
    scale = max(float(samples.abs().max()), 1.0)
    torch.testing.assert_close(found.samples.double(), samples, rtol=0, atol=1e-5 * scale)
    torch.testing.assert_close(found.overhang.double(), over, rtol=0, atol=1e-5 * scale)


def test_the_reference_of_the_operator_equals_it(isa: str) -> None:
    given, (bands, pitches), before = sources(), piece(2, 5), state(2)
    oscillator = packed(given)
    found = oscillator(bands, pitches, *before, num_hops=16)
    expected = reference.oscillate(bands, pitches, *before, 5, *oscillator.buffers(), HOP, HOPS_PER_FRAME)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_no_streams_give_no_samples(isa: str) -> None:
    found = packed(sources())(*piece(0, 2), None, None, None, num_hops=0)
    assert [tuple(tensor.shape) for tensor in found] == [(0, 2 * HOPS_PER_FRAME * HOP), (0,), (0,), (0, 320)]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pieces_and_rows_give_the_bits_of_the_whole(isa: str, size: int) -> None:
    oscillator, (bands, pitches) = packed(sources()), piece(2, 33)
    whole = oscillator(bands, pitches, None, None, None, num_hops=0)
    found, before, num_hops = [], (None, None, None), 0
    for part, of_part in zip(bands.split(size * HOPS_PER_FRAME, dim=1), pitches.split(size, dim=1), strict=True):
        samples, *before = oscillator(part, of_part, *before, num_hops=num_hops)
        num_hops += part.shape[1]
        found.append(samples)
    assert all(map(torch.equal, (torch.cat(found, dim=1), *before), whole))
    alone = oscillator(bands[1:], pitches[1:], None, None, None, num_hops=0)
    assert all(torch.equal(ours, theirs[1:]) for ours, theirs in zip(alone, whole, strict=True))


def test_a_transform_there_and_back_changes_nothing(isa: str) -> None:
    """Pulses through a filter of ones, without noise, are the windows of pulses themselves, as they overlap."""
    given = sources()
    flat = given._replace(pulse_filter=torch.zeros(BANDS, 2 * BINS), noise_filter=torch.full((BANDS, BINS), -100.0))
    bands, pitches = torch.ones(1, 4, 2 * BANDS), torch.tensor([[25]])
    found = packed(flat)(bands, pitches, None, None, None, num_hops=0)
    step = given.pitch_steps[pitches]
    windows, _ = reference.pulse_windows(step, torch.zeros(1, dtype=torch.long), step[:, 0], given.window, HOP, 4)
    padded = torch.nn.functional.pad(windows, (0, reference.SAMPLES - 320))
    samples, over = reference.overlap_add(padded, None, HOP)
    scale = float(samples.abs().max())
    torch.testing.assert_close(found.samples, samples, rtol=0, atol=2e-6 * scale)
    torch.testing.assert_close(found.overhang, over, rtol=0, atol=2e-6 * scale)


def test_pulses_at_the_ends_of_what_is_allowed(isa: str) -> None:
    given = sources()._replace(pitch_steps=torch.tensor([1, 2**31 - 1, 2**30, 0, 2**31]))
    oscillator, bands = packed(given), torch.zeros(1, 12, 2 * BANDS)
    before = (torch.tensor([2**32 - 1]), torch.tensor([1]), None)
    found = oscillator(bands, torch.tensor([[0, 1, 2]]), *before, num_hops=0)
    steps = given.pitch_steps[:3][None]
    expected = reference.pulse_windows(steps, *before[:2], given.window, HOP, HOPS_PER_FRAME)[1]
    assert found.samples[:, HOP * HOPS_PER_FRAME :].isfinite().all() and torch.equal(found.phase, expected)
    for wrong, step in ((3, 0), (4, 2**31)):
        with pytest.raises(RuntimeError, match=f"a step must be from 1 to 2\\^31 - 1, got {step}"):
            oscillator(bands[:, :4], torch.tensor([[wrong]]), *before, num_hops=0)


def refused(message: str, oscillator: PackedOscillator, *arguments: Tensor | None) -> None:
    with pytest.raises(RuntimeError, match=message):
        oscillator(*arguments, num_hops=0)


def test_what_does_not_fit_is_refused() -> None:
    oscillator, (bands, pitches), before = packed(sources()), piece(1, 2), state(1)
    refused(r"bands must be \(B, hops, 2 bands\)", oscillator, bands[:, 1:], pitches, *before)
    refused("a filter must be packed for 5 bands", oscillator, bands[..., :10], pitches, *before)
    refused("a pitch must be from 0 to 49, got 50", oscillator, bands, pitches * 0 + 50, *before)
    refused("overhang must be 320 numbers", oscillator, bands, pitches, *before[:2], before[2][:, 1:])
    refused("phase must be 1 numbers", oscillator, bands, pitches, before[0].int(), *before[1:])
    refused("hop and window at most 480", packed(sources(), hop=481), bands, pitches, None, None, None)
    with pytest.raises(ValueError, match="need a gradient"):
        oscillator(bands.requires_grad_(), pitches, *before, num_hops=0)


def test_opcheck() -> None:
    oscillator, given = packed(sources()), piece(2, 3)
    for before in ((None, None, None), state(2)):
        arguments = (*given, *before, 2, *oscillator.buffers(), HOP, HOPS_PER_FRAME)
        torch.library.opcheck(torch.ops.omniloom.oscillate.default, arguments)
