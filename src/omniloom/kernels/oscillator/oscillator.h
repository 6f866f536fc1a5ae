// The oscillator of the audio codec: windows of pulses, and filters over the spectra of pulses and noise.
//
// Shapes     a hop has a window of pulses, and a spectrum of `count` bins for each source; complex numbers are pairs.
// Alignment  that of float.
// Exactness  a hop's results depend on its own inputs alone. Sines are within 2e-7 for arguments up to 500.
#pragma once
#include <stdint.h>

// All harmonics under half the rate, under a window. Phases are 32-bit fractions of a turn, `step` from sample to sample.
typedef void (*PulseWindow)(uint32_t start, uint32_t step, const float* window, int64_t count, float* to);

// to = pulses * exp(pulse_envelope + i phase) + noise * exp(noise_envelope).
struct FilterCall {
  const float *pulses, *noise;  // pairs
  const float *pulse_envelope, *phase, *noise_envelope;
  float* to;  // pairs
  int64_t count;
};
typedef void (*FilterSources)(const FilterCall*);
