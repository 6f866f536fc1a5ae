"""Pulses and noise through their filters, and how windows of them add up to sound."""

from omniloom.kernels.oscillator.operator import Oscillated as Oscillated
from omniloom.kernels.oscillator.operator import PackedOscillator as PackedOscillator
