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

// Bits of 2^(i/8), less i << 20, which the shifted step adds again.
constexpr int STEPS = 8, STEP_BITS = 3;
alignas(64) const int32_t POWERS[2 * STEPS] = {
    0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7, 0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7,
    0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7, 0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7,
};

// The entry of POWERS that the lowest three bits of each lane tell.
inline Words power_of_step(Floats rounded) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  Words powers;
  memcpy(&powers, POWERS, sizeof powers);
  return (Words)_mm512_permutexvar_epi32((__m512i)rounded, (__m512i)powers);
#elif VECTOR_BYTES == 32 && defined(__AVX2__)
  Words powers;
  memcpy(&powers, POWERS, sizeof powers);
  return (Words)_mm256_permutevar8x32_epi32((__m256i)powers, (__m256i)rounded);
#else
  Words powers;
  for (int i = 0; i < LANES; ++i) powers[i] = POWERS[((Words)rounded)[i] & (STEPS - 1)];
  return powers;
#endif
}

// The two factors of exp(z), z up to 88, where z is LOWEST_NATS or more: polynomial (relative error 3e-8, minimax by
// Lawson's iteration with the first two held at 1) and power. n is a multiple of 1/8, and eight powers fit the register
// of any processor that has such an instruction.
inline void split_exactly(Floats z, Floats* polynomial, Floats* power) {
  const Floats rounder = fill(1572864.0f);  // 1.5 * 2^20: the last bit of a number there is 1/8
  const Floats rounded = fused(z, fill(1.44269504f), rounder);
  const Floats r = fused(rounded - rounder, fill(-0.693147182464599609375f), z);
  Floats p = fused(r, fill(0.16664293f), fill(0.5000649f));
  p = fused(p, r, fill(1.0f));
  *polynomial = fused(p, r, fill(1.0f));
  *power = (Floats)((Bits)power_of_step(rounded) + ((Bits)rounded << (23 - STEP_BITS)));
}

inline Floats exp_exactly(Floats z) {
  Floats polynomial, power;
  split_exactly(larger(fill(LOWEST_NATS), z), &polynomial, &power);
  return polynomial * power;
}

}  // namespace
