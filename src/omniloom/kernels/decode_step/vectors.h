// Vectors of VECTOR_BYTES, and what the decode step needs of them. Compiler vectors (GCC and Clang) rather than intrinsics:
// one text to read, and three to measure. Only a product that is added is told apart: with it left to the compiler, two
// builds could round differently.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t Bits __attribute__((vector_size(VECTOR_BYTES)));

// Vectors of a call, `stride` apart, one for each row.
struct Vectors {
  float* first;
  int64_t stride;
  float* of(int64_t row) const { return first + row * stride; }
};

inline Floats load(const float* from) {
  Floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

inline Bits load(const uint32_t* from) {
  Bits values;
  memcpy(&values, from, sizeof values);
  return values;
}

inline Floats load_part(const float* from, int count) {
  Floats values = {};
  memcpy(&values, from, count * sizeof(float));
  return values;
}

inline void store(float* to, Floats values) { memcpy(to, &values, sizeof values); }

inline Floats fill(float value) { return value - Floats{}; }

inline Floats multiply_add(Floats a, Floats b, Floats sum) {
#if VECTOR_BYTES == 64
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#elif VECTOR_BYTES == 32
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#else
  return sum + a * b;
#endif
}

// Lane i: lanes 2i and 2i + 1 of `a` and then of `b`, added.
inline Floats add_pairs(Floats a, Floats b) {
#if defined(__clang__)
  float from[2 * LANES];
  store(from, a);
  store(from + LANES, b);
  Floats sums;
  for (int i = 0; i < LANES; ++i) sums[i] = from[2 * i] + from[2 * i + 1];
  return sums;
#else
  Words even;
  for (int i = 0; i < LANES; ++i) even[i] = 2 * i;
  return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
#endif
}

// Lane i: the sum of vector i. The vectors are written over.
inline Floats sums_of(Floats (&vectors)[LANES]) {
#pragma GCC unroll 4
  for (int count = LANES / 2; count > 0; count /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) vectors[i] = add_pairs(vectors[2 * i], vectors[2 * i + 1]);
  return vectors[0];
}

inline float sum(Floats values) {
  float lanes[LANES];
  store(lanes, values);
#pragma GCC unroll 4
  for (int width = LANES / 2; width > 0; width /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

// exp after Cephes: x = n ln 2 + r, a polynomial of degree 5 in r, n added to the exponent. Inputs are clamped to ±87.
inline Floats exponential(Floats x) {
  x = x > 87.0f ? fill(87.0f) : x;
  x = x < -87.0f ? fill(-87.0f) : x;
  const Floats rounder = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Floats n = multiply_add(x, fill(1.44269504f), rounder) - rounder;
  const Floats r = multiply_add(n, fill(2.12194440e-4f), multiply_add(n, fill(-0.693359375f), x));
  Floats p = fill(1.9875691500e-4f);
  p = multiply_add(p, r, fill(1.3981999507e-3f));
  p = multiply_add(p, r, fill(8.3334519073e-3f));
  p = multiply_add(p, r, fill(4.1665795894e-2f));
  p = multiply_add(p, r, fill(1.6666665459e-1f));
  p = multiply_add(p, r, fill(5.0000001201e-1f));
  p = multiply_add(p, r * r, r + 1.0f);
  const Words exponent = (__builtin_convertvector(n, Words) + 127) << 23;
  return p * (Floats)exponent;
}

inline float dot(const float* a, const float* b, int count) {
  Floats sums = {};
  int i = 0;
  for (; i + LANES <= count; i += LANES) sums = multiply_add(load(a + i), load(b + i), sums);
  if (i < count) sums = multiply_add(load_part(a + i, count - i), load_part(b + i, count - i), sums);
  return sum(sums);
}

inline void add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// Root-mean-square norm: x * weight / sqrt(mean(x^2) + epsilon); a null weight is all ones. In place is fine.
inline void normalize(const float* input, const float* weight, int count, float epsilon, float* output) {
  const float scale = 1.0f / sqrtf(dot(input, input, count) / (float)count + epsilon);
  if (weight)
    for (int i = 0; i < count; ++i) output[i] = input[i] * scale * weight[i];
  else
    for (int i = 0; i < count; ++i) output[i] = input[i] * scale;
}

}  // namespace
