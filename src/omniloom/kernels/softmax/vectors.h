// Vectors of VECTOR_BYTES: all that the kernels of softmax, top-k and sampling ask of an instruction set.
// Compiler vectors (GCC and Clang); intrinsics where a compiler makes two instructions of what the processor has as one.
// NEON needs nothing here but faster versions of what falls back to a loop.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t Bits __attribute__((vector_size(VECTOR_BYTES)));

constexpr float INFINITE = __builtin_inff();
constexpr float GREATEST = __FLT_MAX__;

inline Floats load(const float* from) {
  Floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

inline void store(float* to, Floats values) { memcpy(to, &values, sizeof values); }

inline Floats fill(float value) { return value - Floats{}; }

// The first `count` numbers, below LANES, and `rest` behind them.
inline Floats load_some(const float* from, int64_t count, float rest) {
  Floats values = fill(rest);
  memcpy(&values, from, (size_t)count * sizeof(float));
  return values;
}

inline void store_some(float* to, Floats values, int64_t count) { memcpy(to, &values, (size_t)count * sizeof(float)); }

// a > b ? a : b, lane by lane; b where either is NaN.
inline Floats larger(Floats a, Floats b) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
  return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
  return (Floats)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}

// A bit for each lane where a > b, the first lane's lowest.
inline uint32_t lanes_above(Floats a, Floats b) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
  return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ));
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
  return (uint32_t)_mm_movemask_ps(_mm_cmpgt_ps((__m128)a, (__m128)b));
#else
  uint32_t found = 0;
  for (int i = 0; i < LANES; ++i) found |= (uint32_t)(a[i] > b[i]) << i;
  return found;
#endif
}

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define OMNILOOM_HAS_FMA 1
#else
#define OMNILOOM_HAS_FMA 0
#endif

// a * b + c: in one rounding where OMNILOOM_HAS_FMA, which exactness rests on, so it is not left to the optimizer.
inline Floats multiply_add(Floats a, Floats b, Floats c) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VECTOR_BYTES == 32 && defined(__FMA__)
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif OMNILOOM_HAS_FMA
  Floats result;
  for (int i = 0; i < LANES; ++i) result[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return result;
#else
  return a * b + c;
#endif
}

// Past the caches; `to` must be aligned to VECTOR_BYTES.
inline void stream(float* to, Floats values) {
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)values);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
  _mm256_stream_ps(to, (__m256)values);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
  _mm_stream_ps(to, (__m128)values);
#else
  store(to, values);
#endif
}

// What was streamed is seen by other threads after this.
inline void finish_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

inline float largest_lane(Floats values) {
  float lanes[LANES];
  memcpy(lanes, &values, sizeof lanes);
#pragma GCC unroll 8
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}

inline double sum_of(Floats values) {
  double lanes[LANES];
  for (int i = 0; i < LANES; ++i) lanes[i] = values[i];
#pragma GCC unroll 8
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

}  // namespace
