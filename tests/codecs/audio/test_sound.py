"""The parts of the audio codec that have a known right answer: bands, pitch, pulses and noise."""

import math

import pytest
import torch

from omniloom.codecs.audio.losses import mel_distance
from omniloom.codecs.audio.oscillator import NUM_PITCHES, Oscillator, pitch_index
from omniloom.codecs.audio.pitch import track_pitch
from omniloom.codecs.audio.spectrum import LOWEST_PITCH_HZ, RATE_HZ, band_curves, mel_filters
from omniloom.layers.prepared import prepared


def buzz(pitch_hz: float, *, duration_s: float = 1.28) -> torch.Tensor:
    time = torch.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return 0.1 * sum(torch.sin(2 * math.pi * k * pitch_hz * time) / k for k in range(1, int(4000 / pitch_hz)))


@pytest.mark.parametrize("pitch_hz", [70.0, 110.0, 200.0, 330.0, 450.0])
def test_pitch_of_a_buzz_is_found(pitch_hz):
    octaves, is_voiced = track_pitch(buzz(pitch_hz)[None])
    inner = slice(1, -1)  # the first and last frames lie half outside the sound
    assert bool(is_voiced[0, inner].all())
    found_hz = LOWEST_PITCH_HZ * 2 ** octaves[0, inner]
    torch.testing.assert_close(found_hz, torch.full_like(found_hz, pitch_hz), rtol=5e-3, atol=0)


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * torch.randn(1, 20_480, generator=torch.Generator().manual_seed(0))
    assert not track_pitch(noise)[1].any()
    assert not track_pitch(torch.zeros(1, 6_400))[1].any()


oscillators = pytest.mark.parametrize(
    "oscillator", [Oscillator(80), prepared(Oscillator(80))], ids=["torch", "for inference"]
)


@oscillators
@pytest.mark.parametrize("pitch_hz", [80.0, 150.0, 400.0])
def test_pulses_have_the_pitch_asked_for_and_unit_power(oscillator, pitch_hz):
    index = pitch_index(torch.tensor([[math.log2(pitch_hz / LOWEST_PITCH_HZ)] * 32]))
    flat = torch.zeros(1, 128, 80)
    silent = torch.full_like(flat, -30.0)
    pulses = oscillator(torch.cat([flat, silent], dim=-1), index).samples
    octaves, _ = track_pitch(pulses)
    found_hz = LOWEST_PITCH_HZ * 2 ** octaves[0, 1:-1]
    torch.testing.assert_close(found_hz, torch.full_like(found_hz, pitch_hz), rtol=5e-3, atol=0)
    assert float(pulses[:, 640:-640].square().mean()) == pytest.approx(1, abs=0.15)
    noise = oscillator(torch.cat([silent, flat], dim=-1), index).samples
    assert float(noise[:, 640:-640].square().mean()) == pytest.approx(1, abs=0.05)


@oscillators
def test_clock_goes_on_where_it_stood(oscillator):
    """For longer than the noise lasts."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(0, NUM_PITCHES, (2, 110), generator=generator)
    bands = torch.randn(2, 440, 160, generator=generator) - 2
    whole = oscillator(bands, index)
    first = oscillator(bands[:, :20], index[:, :5])
    second = oscillator(bands[:, 20:], index[:, 5:], first.clock, first.overhang)
    torch.testing.assert_close(torch.cat([first.samples, second.samples], dim=1), whole.samples, rtol=0, atol=1e-5)
    assert all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(second.clock, whole.clock, strict=True)
    )
    torch.testing.assert_close(second.overhang, whole.overhang, rtol=0, atol=1e-5)


def test_bands_cover_the_spectrum_evenly():
    assert mel_filters(640).shape == (321, 80)
    torch.testing.assert_close(mel_filters(640).sum(0), torch.full((80,), 4 / 640, dtype=torch.float64))
    curves = band_curves(40, 241)
    torch.testing.assert_close(curves.sum(0), torch.ones(241, dtype=torch.float64))


def test_distance_is_zero_only_for_the_same_sound():
    sound = buzz(120.0)[None]
    assert float(mel_distance(sound, sound)) == 0
    # Ten times as loud is one decade in every band that is above the floor.
    assert 0.5 < float(mel_distance(sound, 10 * sound)) <= 1
