"""Windows of pulses, their filters, and how windows add up to sound."""

from omniloom.kernels.oscillator.operator import filter_sources as filter_sources
from omniloom.kernels.oscillator.operator import overlap_add as overlap_add
from omniloom.kernels.oscillator.operator import pulse_windows as pulse_windows
