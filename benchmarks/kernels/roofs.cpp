// What one core can do at most, for tables to hold beside what is done: read memory once, and multiply in registers alone.
// Compiled for this processor by roofs.py; no part of the library.
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int BYTES = 64, SUMS = 24;
#elif defined(__AVX2__)
constexpr int BYTES = 32, SUMS = 12;
#else
constexpr int BYTES = 16, SUMS = 12;
#endif
typedef float Floats __attribute__((vector_size(BYTES)));
typedef int32_t Words __attribute__((vector_size(BYTES)));

// SUMS sums that do not wait for each other, `count` times; gives the operations done, two for each product and sum.
template <class Sums, class Add>
static double repeat(int64_t count, int64_t products_in_a_word, Add add) {
  Sums sums[SUMS] = {};
  for (int64_t i = 0; i < count; ++i)
#pragma GCC unroll 24
    for (int at = 0; at < SUMS; ++at) {
      add(sums[at]);
      asm volatile("" : "+v"(sums[at]));
    }
  return 2.0 * (double)(count * SUMS * (BYTES / 4) * products_in_a_word);
}

extern "C" {

void read_bytes(const char* from, int64_t count) {
  constexpr int CHAINS = 8;
  Words sums[CHAINS] = {};
  for (int64_t at = 0; at + CHAINS * BYTES <= count; at += CHAINS * BYTES)
#pragma GCC unroll 8
    for (int chain = 0; chain < CHAINS; ++chain) {
      Words next;
      memcpy(&next, from + at + chain * BYTES, BYTES);
      sums[chain] ^= next;
    }
  for (int chain = 0; chain < CHAINS; ++chain) asm volatile("" : : "v"(sums[chain]));
}

double multiply_f32(int64_t count) {
  Floats a = Floats{} + 1.0f, b = Floats{} + 0.5f;
  asm volatile("" : "+v"(a), "+v"(b));  // not known to the compiler, which would multiply them once
  return repeat<Floats>(count, 1, [&](Floats& sum) { sum += a * b; });
}

// Zero operations where the processor has no such instruction.
double multiply_bf16(int64_t count) {
#if defined(__AVX512BF16__)
  const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
  return repeat<__m512>(count, 2, [&](__m512& sum) { sum = _mm512_dpbf16_ps(sum, ones, ones); });
#else
  return (void)count, 0.0;
#endif
}

double multiply_int8(int64_t count) {
#if defined(__AVX512VNNI__)
  const __m512i ones = _mm512_set1_epi32(0x01010101);
  return repeat<__m512i>(count, 4, [&](__m512i& sum) { sum = _mm512_dpbusd_epi32(sum, ones, ones); });
#else
  return (void)count, 0.0;
#endif
}
}
