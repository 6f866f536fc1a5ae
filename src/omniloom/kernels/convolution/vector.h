// Vectors of VECTOR_BYTES as the compiler has them, and the activations over them.
#pragma once
#include <stdint.h>
#include <string.h>

#include "convolution.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
typedef float Vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Integers __attribute__((vector_size(VECTOR_BYTES)));
typedef float Loose __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

inline __attribute__((always_inline)) Vector load(const float* from) { return *(const Loose*)from; }
inline __attribute__((always_inline)) void store(float* to, Vector value) { *(Loose*)to = value; }

inline Vector load_part(const float* from, int64_t count) {
  float values[LANES] = {};
  memcpy(values, from, count * sizeof(float));
  return load(values);
}

inline void store_part(float* to, Vector value, int64_t count) {
  float values[LANES];
  store(values, value);
  memcpy(to, values, count * sizeof(float));
}

// Which lanes are NaN stay so: a comparison with NaN is false.
inline Vector at_least(Vector value, float least) { return value < least ? Vector{} + least : value; }
inline Vector at_most(Vector value, float most) { return value > most ? Vector{} + most : value; }

// Within 2 units in the last place for x in [-87, 88], clamped to that range: 2^n times a Taylor polynomial over
// [-ln 2 / 2, ln 2 / 2], after Cody & Waite's reduction in two parts.
inline Vector exponential(Vector x) {
  const float shift = 12582912.f;  // 1.5 * 2^23: what is added to it is rounded to an integer
  x = at_most(at_least(x, -87.f), 88.f);
  const Vector shifted = x * 1.44269504f + shift;
  const Vector power = shifted - shift;
  const Vector rest = (x - power * 0.693359375f) + power * 2.12194440e-4f;
  Vector sum = Vector{} + 1.f / 5040;
  sum = sum * rest + 1.f / 720;
  sum = sum * rest + 1.f / 120;
  sum = sum * rest + 1.f / 24;
  sum = sum * rest + 1.f / 6;
  sum = sum * rest + 0.5f;
  sum = sum * rest + 1.f;
  sum = sum * rest + 1.f;
  const Integers exponent =
      ((Integers)shifted << 23) + (127 << 23);  // the low bits of `shifted` count the powers of two
  return sum * (Vector)exponent;
}

// The normal distribution's integral, within 1e-7: Abramowitz & Stegun 1964, 7.1.26, for the tail below -|x|.
inline Vector normal_integral(Vector x) {
  const Vector size = x < 0.f ? -x : x;
  const Vector t = 1.f / (1.f + (0.3275911f * 0.70710678f) * size);
  Vector sum = Vector{} + 1.061405429f;
  sum = sum * t - 1.453152027f;
  sum = sum * t + 1.421413741f;
  sum = sum * t - 0.284496736f;
  sum = sum * t + 0.254829592f;
  const Vector tail = 0.5f * sum * t * exponential(-0.5f * size * size);
  return x < 0.f ? tail : 1.f - tail;
}

inline Vector logistic(Vector x) { return 1.f / (1.f + exponential(-x)); }

// As torch has them: relu, silu, gelu, gelu(approximate="tanh") and elu.
inline Vector activated(Vector x, ConvActivation activation) {
  switch (activation) {
    case CONV_RELU:
      return at_least(x, 0.f);
    case CONV_SILU:
      return x * logistic(x);
    case CONV_GELU:
      return x * normal_integral(x);
    case CONV_GELU_TANH:  // (1 + tanh z) / 2 is the logistic function of 2 z
      return x * logistic(1.59576912f * (x + 0.044715f * x * x * x));
    case CONV_ELU:
      return x < 0.f ? exponential(x) - 1.f : x;
    default:
      return x;
  }
}

// Applied to results that lie in the nearest cache.
__attribute__((noinline, unused)) void activate_rows(float* rows, int64_t stride, int64_t num_rows, int64_t num_columns,
                                             ConvActivation activation) {
  for (int64_t r = 0; r < num_rows; ++r, rows += stride) {
    int64_t c = 0;
    for (; c + LANES <= num_columns; c += LANES) store(rows + c, activated(load(rows + c), activation));
    if (c < num_columns)
      store_part(rows + c, activated(load_part(rows + c, num_columns - c), activation), num_columns - c);
  }
}

}  // namespace
