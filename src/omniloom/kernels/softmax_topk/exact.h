// Arithmetic that gives the same bits on every instruction set: a fused multiply-add, and exp made of it.
#pragma once
#include "../softmax/vectors.h"

namespace {

#if !OMNILOOM_HAS_FMA
// The product of two floats is exact in double. Their sum with c is rounded to odd there, so that rounding it again to
// float is as if it were the first (Boldo & Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
// using rounding to odd", 2008, section 5).
inline float fused_lane(float a, float b, float c) {
  const double product = (double)a * b, sum = product + c;
  const double part = sum - product, error = (product - (sum - part)) + (c - part);
  int64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (error != 0 && !(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : -1;
  double odd;
  memcpy(&odd, &bits, sizeof odd);
  return (float)odd;
}
#endif

inline Floats fused(Floats a, Floats b, Floats c) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VECTOR_BYTES == 32 && defined(__FMA__)
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  Floats found;
#if OMNILOOM_HAS_FMA
  for (int i = 0; i < LANES; ++i) found[i] = __builtin_fmaf(a[i], b[i], c[i]);
#else
  for (int i = 0; i < LANES; ++i) found[i] = fused_lane(a[i], b[i], c[i]);
#endif
  return found;
#endif
}

constexpr float LOWEST_NATS = -88.029691f;  // -127 ln 2: exp of it and of all below is exactly 0

// The two factors of exp(z), z up to 88, where z is LOWEST_NATS or more: polynomial (relative error 9e-8) and power.
inline void split_exactly(Floats z, Floats* polynomial, Floats* power) {
  const Floats rounder = fill(12582912.0f + 127.0f);  // 1.5 * 2^23 rounds to an integer; 127 is an exponent's bias
  const Floats rounded = fused(z, fill(1.44269504f), rounder);
  const Floats r = fused(rounded - rounder, fill(-0.693147182464599609375f), z);
  Floats p = fill(0.00829030667f);
  p = fused(p, r, fill(0.04189797491f));
  p = fused(p, r, fill(0.16667637229f));
  p = fused(p, r, fill(0.49999150634f));
  p = fused(p, r, fill(0.99999970198f));
  *polynomial = fused(p, r, fill(1.0f));
  *power = (Floats)((Bits)rounded << 23);
}

inline Floats exp_exactly(Floats z) {
  Floats polynomial, power;
  split_exactly(larger(fill(LOWEST_NATS), z), &polynomial, &power);
  return polynomial * power;
}

}  // namespace
