// Pulses and filters, written once over vectors of VECTOR_BYTES.
#pragma once
#include <math.h>

#include "../convolution/vector.h"
#include "../dispatch/dispatch.h"
#include "fourier.h"
#include "oscillator.h"

namespace {

typedef uint32_t Phases __attribute__((vector_size(VECTOR_BYTES)));  // which wrap where a turn ends

struct Angle {
  Vector rest, sign;  // sin(x) = sign * sin(rest), and cosine alike
};

// To within a quarter turn: whole halves of a turn are taken off in three parts (Cody & Waite), odd ones turn the sign.
inline Angle reduced(Vector x) {
  const float shift = 12582912.f;  // 1.5 * 2^23: what is added to it is rounded to an integer
  const Vector shifted = x * 0.318309886f + shift, halves = shifted - shift;
  const Vector rest = ((x - halves * 3.140625f) - halves * 9.67502593994e-4f) - halves * 1.50995799098e-7f;
  return {rest, (Vector)(((Integers)shifted << 31) ^ (Integers)(Vector{} + 1.f))};
}

// Taylor's polynomials over a quarter turn to either side: within 1e-8 before rounding.
inline Vector sine(Angle x) {
  const Vector square = x.rest * x.rest;
  Vector sum = Vector{} + 1.f / 6227020800;
  sum = sum * square - 1.f / 39916800;
  sum = sum * square + 1.f / 362880;
  sum = sum * square - 1.f / 5040;
  sum = sum * square + 1.f / 120;
  sum = sum * square - 1.f / 6;
  return x.sign * (x.rest + x.rest * (square * sum));
}

inline Vector cosine(Angle x) {
  const Vector square = x.rest * x.rest;
  Vector sum = Vector{} + 1.f / 479001600;
  sum = sum * square - 1.f / 3628800;
  sum = sum * square + 1.f / 40320;
  sum = sum * square - 1.f / 720;
  sum = sum * square + 1.f / 24;
  sum = sum * square - 0.5f;
  return x.sign * (sum * square + 1.f);
}

void pulses(uint32_t start, uint32_t step, const float* window, int64_t count, float* to) {
  const float half_turn = 3.14159265f / 4294967296.f, num_harmonics = (float)(2147483648u / step);
  const float gain = sqrtf(2 / num_harmonics), odd = 2 * num_harmonics + 1;
  Phases places;
  for (int lane = 0; lane < LANES; ++lane) places[lane] = start + step * (uint32_t)lane;
  for (int64_t at = 0; at < count; at += LANES, places += step * (uint32_t)LANES) {
    Vector half = __builtin_convertvector((Integers)places, Vector) * half_turn;
    half = at_least(half < 0.f ? -half : half, 1e-4f);
    const Vector total = sine(reduced(odd * half)) / (2 * sine(reduced(half))) - 0.5f;
    if (count - at >= LANES)
      store(to + at, total * gain * load(window + at));
    else
      store_part(to + at, total * gain * load_part(window + at, count - at), count - at);
  }
}

// Both spectra through their filters, into that of the pulses.
void filter(const OscillatorHop* hop, Complex pulses) {
  float noise_r[ROOM] = {}, noise_i[ROOM] = {};
  for (int k = 0; k < OSCILLATOR_BINS; ++k) noise_r[k] = hop->noise[2 * k], noise_i[k] = hop->noise[2 * k + 1];
  for (int at = 0; at < OSCILLATOR_BINS; at += LANES) {
    const int count = OSCILLATOR_BINS - at;
    const auto get = [&](const float* from) { return count >= LANES ? load(from + at) : load_part(from + at, count); };
    const Vector magnitude = exponential(get(hop->pulse_envelope)), noise = exponential(get(hop->noise_envelope));
    const Angle angle = reduced(get(hop->phase_filter));
    const Vector filter_r = magnitude * cosine(angle), filter_i = magnitude * sine(angle);
    const Vector real = load(pulses.real + at), imaginary = load(pulses.imaginary + at);
    store(pulses.real + at, real * filter_r - imaginary * filter_i + load(noise_r + at) * noise);
    store(pulses.imaginary + at, real * filter_i + imaginary * filter_r + load(noise_i + at) * noise);
  }
}

void run_hop(const OscillatorHop* hop) {
  float samples[OSCILLATOR_SAMPLES] = {}, real[ROOM] = {}, imaginary[ROOM] = {};
  pulses(hop->phase, hop->step, hop->window, hop->window_size, samples);
  spectrum_of(samples, {real, imaginary});
  filter(hop, {real, imaginary});
  samples_of({real, imaginary}, hop->to);
}

}  // namespace

OMNILOOM_KERNEL(oscillator_hop, OscillatorHopKernel, run_hop)
