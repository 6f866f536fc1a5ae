// Softmax of one row, in phases that each take a piece of it, so that threads share long rows.
// Shapes     a row is `count` numbers in memory; `to` may be `from`.
// Alignment  that of the element type; where `is_streamed`, kernels align their own stores.
// Exactness  Two passes: within 1e-6 of the true value, relative to it, for results of 2^-126 and more; smaller ones may
//            be less exact or 0. Other methods round x - largest, as torch does: 6e-8 |x - largest| is to be added.
//            Sums are taken in blocks of SOFTMAX_BLOCK, so this holds at any count. A masked number (minus infinity)
//            gives exactly 0.
#pragma once
#include <stdint.h>

enum : int64_t { SOFTMAX_BLOCK = 16384 };
enum : int32_t { SOFTMAX_LOWEST = -23638 };  // the exponent of a sum to which nothing was added

// The sum of exp(x): `mantissa` times 2^`exponent`. Not `is_safe` where a number is NaN or too large for this method
// (16384 or more); numbers below -16384 add nothing.
struct SoftmaxPair {
  double mantissa;
  int32_t exponent;
  bool is_safe;
};

// The sum of exp(x - reference).
struct SoftmaxSum {
  double sum, reference;
};

typedef SoftmaxPair (*SoftmaxPairs)(const float* from, int64_t count);
// factor * exp(x) * 2^-exponent
typedef void (*SoftmaxFromPair)(const float* from, float* to, int64_t count, int32_t exponent, float factor,
                                bool is_streamed);
// exp(x - reference) into `to`; the reference is chosen on the way
typedef SoftmaxSum (*SoftmaxStore)(const float* from, float* to, int64_t count);
// The softmax of each of `num_rows` rows, one behind the other
typedef void (*SoftmaxRows)(const float* from, float* to, int64_t count, int64_t num_rows);
typedef void (*SoftmaxScale)(float* to, int64_t count, float factor);
typedef float (*SoftmaxLargest)(const float* from, int64_t count);
typedef double (*SoftmaxSumAbove)(const float* from, int64_t count, float largest);
// factor * exp(x - largest)
typedef void (*SoftmaxFromLargest)(const float* from, float* to, int64_t count, float largest, float factor,
                                   bool is_streamed);
// (x - reference) - rest
typedef void (*LogSoftmaxWrite)(const float* from, float* to, int64_t count, float reference, float rest,
                                bool is_streamed);
// What no softmax can be faster than: exp alone, memory alone.
typedef void (*SoftmaxCeiling)(const float* from, float* to, int64_t count);
