// The oscillator of the audio codec: windows of pulses, and filters over the spectra of pulses and noise.
//
// Shapes     a hop's window of pulses has at most OSCILLATOR_SAMPLES samples, and zeros after them; a spectrum has
//            OSCILLATOR_BINS bins.
// Alignment  that of float.
// Exactness  a hop's results depend on its own inputs alone. Sines are within 2e-7 for arguments up to 500; a transform
//            there and back is within 1e-6 of the largest sample.
#pragma once
#include <stdint.h>

enum { OSCILLATOR_SAMPLES = 480, OSCILLATOR_BINS = OSCILLATOR_SAMPLES / 2 + 1 };

// The samples whose spectrum is pulses * exp(pulse_envelope + i phase_filter) + noise * exp(noise_envelope). Pulses are all
// harmonics under half the rate, under a window. Phases are 32-bit fractions of a turn, `step` from sample to sample.
struct OscillatorHop {
  uint32_t phase, step;
  const float* window;
  int64_t window_size;
  const float* noise;           // OSCILLATOR_BINS pairs
  const float* pulse_envelope;  // OSCILLATOR_BINS each
  const float* phase_filter;
  const float* noise_envelope;
  float* to;
};
typedef void (*OscillatorHopKernel)(const OscillatorHop*);
