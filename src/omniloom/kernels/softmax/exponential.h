// exp of a vector as polynomial times power of two: x = n ln 2 + r, exp(x) = exp(r) 2^n.
// Adding `rounder` to x log2(e) rounds it to n and leaves n in the lowest bits of the sum, where a shift makes 2^n of
// them. A rounder that is larger by N gives 2^(n - N): the exponent's part of a (mantissa, exponent) pair costs nothing.
// With AVX-512 n is a multiple of 1/32, whose power comes from a table in two registers, and the polynomial has degree 2
// instead of 5: three multiplications fewer. Coefficients are minimax in relative error (Lawson's iteration): 9e-8 and
// 5e-8; with rounding, within 4.2e-7 over the whole range. There is an instruction for the power of two, too: what is out
// of range becomes 0 or infinity, so that nobody need look at numbers before their exp is taken.
#pragma once
#include "vectors.h"

namespace {

constexpr float LOG2_E = 1.44269504f;
#if OMNILOOM_HAS_FMA
constexpr float LN2 = 0.693147182464599609375f, LN2_REST = -1.904654300e-9f;
#else
constexpr float LN2 = 0.693359375f, LN2_REST = -2.12194440e-4f;  // n LN2 is exact below n = 2^15
#endif

// exp(x - N ln 2) is exactly 0 from here on; 2^-126 is the lowest power that is a normal number.
inline float lowest(float exponent) { return (exponent - 127.0f) * 0.69314718056f; }

#if VECTOR_BYTES == 64 && defined(__AVX512F__)
#define OMNILOOM_HAS_TABLE 1
constexpr bool SATURATES = true;
constexpr float FARTHEST = -1000.0f;  // exp is 0 here, and n exact
constexpr int DEGREE = 2, STEPS = 32, STEP_BITS = 5;
constexpr float COEFFICIENTS[] = {1.0f, 1.0000146627f, 0.5f};
constexpr float ROUNDER = 393216.0f;  // 1.5 * 2^18: the last bit of a number there is 1/32
// Bits of 2^(i/32), less i << 18, which the shifted step adds again.
alignas(64) const int32_t POWERS[STEPS] = {
    0x3f800000, 0x3f7ecd87, 0x3f7daac3, 0x3f7c980f, 0x3f7b95c2, 0x3f7aa43a, 0x3f79c3d3, 0x3f78f4f0,
    0x3f7837f0, 0x3f778d3a, 0x3f76f532, 0x3f767043, 0x3f75fed7, 0x3f75a15b, 0x3f75583f, 0x3f7523f6,
    0x3f7504f3, 0x3f74fbaf, 0x3f7508a4, 0x3f752c4d, 0x3f75672a, 0x3f75b9be, 0x3f76248c, 0x3f76a81e,
    0x3f7744fd, 0x3f77fbb8, 0x3f78ccdf, 0x3f79b907, 0x3f7ac0c7, 0x3f7be4ba, 0x3f7d257d, 0x3f7e83b3,
};
#else
#define OMNILOOM_HAS_TABLE 0
constexpr bool SATURATES = false;
constexpr int DEGREE = 5;
constexpr float COEFFICIENTS[] = {1.0f, 0.99999970198f, 0.49999150634f, 0.16667637229f, 0.04189797491f, 0.00829030667f};
constexpr float ROUNDER = 12582912.0f + 127.0f;  // 1.5 * 2^23, and the bias of an exponent
#endif

// exp times a factor that is the same for all.
struct Exponential {
  Floats coefficients[DEGREE + 1];
#if OMNILOOM_HAS_TABLE
  Words first, second;              // POWERS
  Words whole_first, whole_second;  // 2^(i/32)
#endif

  explicit Exponential(float factor = 1.0f) {
    for (int i = 0; i <= DEGREE; ++i) coefficients[i] = fill(COEFFICIENTS[i] * factor);
#if OMNILOOM_HAS_TABLE
    memcpy(&first, POWERS, sizeof first);
    memcpy(&second, POWERS + LANES, sizeof second);
    Words steps;
    for (int i = 0; i < LANES; ++i) steps[i] = i;
    whole_first = first + (steps << (23 - STEP_BITS));
    whole_second = second + ((steps + LANES) << (23 - STEP_BITS));
#endif
  }

  // exp(r) where x = n ln 2 + r.
  // `is_wide`: x may be far from 0, so that n ln 2 needs more digits than a float's.
  inline Floats of_rest(Floats x, Floats n, bool is_wide) const {
    Floats r = multiply_add(n, fill(-LN2), x);
    if (is_wide || !OMNILOOM_HAS_FMA) r = multiply_add(n, fill(-LN2_REST), r);
    Floats p = coefficients[DEGREE];
#pragma GCC unroll 8
    for (int i = DEGREE - 1; i >= 0; --i) p = multiply_add(p, r, coefficients[i]);
    return p;
  }

  // The two factors of exp(x) 2^-N, where `rounder` is ROUNDER - N and x is lowest(N) or more.
  inline void split(Floats x, Floats rounder, bool is_wide, Floats* polynomial, Floats* power) const {
    const Floats rounded = multiply_add(x, fill(LOG2_E), rounder);
    *polynomial = of_rest(x, rounded - rounder, is_wide);
#if OMNILOOM_HAS_TABLE
    const Words steps = (Words)_mm512_permutex2var_epi32((__m512i)first, (__m512i)rounded, (__m512i)second);
    *power = (Floats)(steps + (Words)((Bits)rounded << (23 - STEP_BITS)));
#else
    *power = (Floats)((Bits)rounded << 23);
#endif
  }

  // exp(x) for x from minus infinity to 88; NaN where x is NaN. Above 88 infinity or NaN where it SATURATES.
  inline Floats operator()(Floats x) const {
#if OMNILOOM_HAS_TABLE
    const Floats z = larger(fill(FARTHEST), x);
    const Floats rounded = multiply_add(z, fill(LOG2_E), fill(ROUNDER)), n = rounded - ROUNDER;
    const Floats power = (Floats)_mm512_permutex2var_epi32((__m512i)whole_first, (__m512i)rounded, (__m512i)whole_second);
    return (Floats)_mm512_scalef_ps((__m512)(of_rest(z, n, false) * power), (__m512)n);
#else
    Floats polynomial, power;
    split(larger(fill(lowest(0.0f)), x), fill(ROUNDER), false, &polynomial, &power);
    return polynomial * power;
#endif
  }
};

}  // namespace
