// Tiles of rows by outputs held in registers, written once for all weights and instruction sets.
// A tile reads a word of every output at a time, and multiplies it by the word of each row that belongs to it; how, is the
// only thing in which the formats differ (`Float`, `BFloat16`, ...). What does not fit the registers is done in parts.
// Tried and rejected: blocks of K, which the caches of a core make unnecessary; rows that are read where they lie, for rows
// 4 KB apart evict each other from the first cache.
#pragma once
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../dispatch/dispatch.h"
#include "linear.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
constexpr int VECTORS = 2;                            // of outputs in a tile
constexpr int TILE_ROWS = VECTOR_BYTES == 64 ? 12 : 6;  // leaves registers for the outputs' words: 32 of them, else 16
constexpr int CACHE_LINE = 64;

// How far ahead weights are asked for. Few rows wait for memory, and what the processor fetches by itself ends with a page,
// 4 KB where large pages were not to be had. Of 64 MB in small and in large pages, by this 1 row reads 13 % more a second and
// as much, 4 rows 26 and 3 %, 8 rows 36 and 27 %; 2 rows 9 % more and 23 % less, more rows wait for products instead.
constexpr int ahead_bytes(int rows) { return rows == 1 ? 4096 : rows >= 3 && rows <= 8 ? 6144 : 0; }

typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t Bits __attribute__((vector_size(VECTOR_BYTES)));

inline Bits load(const uint32_t* from) {
  Bits values;
  memcpy(&values, from, sizeof values);
  return values;
}

// Each format: the words of a row that a group takes, what is summed, the weights that belong to one of those words, and how
// their product with it adds to the sums.
struct Float {
  static constexpr int WORDS = 1;
  typedef Floats Sums, Weights;
  static inline Weights weights(Bits bits, int) { return (Floats)bits; }
  static inline void add(Sums& sums, Weights weights, Bits x) { sums += (Floats)x * weights; }
};

struct BFloat16 : Float {
  static constexpr int WORDS = 2;
  static inline Weights weights(Bits bits, int word) { return (Floats)(word ? bits & 0xffff0000u : bits << 16); }
};

struct Int8Weights : Float {
  static constexpr int WORDS = 4;
  static inline Weights weights(Bits bits, int word) {
    return __builtin_convertvector((Words)(bits << (24 - 8 * word)) >> 24, Floats);
  }
};

#if defined(__AVX512VNNI__)
struct Int8 {
  static constexpr int WORDS = 1;
  typedef Words Sums;
  typedef Bits Weights;
  static inline Weights weights(Bits bits, int) { return bits; }
  static inline void add(Sums& sums, Weights weights, Bits x) {
    sums = (Words)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)x, (__m512i)weights);
  }
};
#else
// Pairs of 16 bits, so that no product saturates: the bytes 0 and 2 of each word, then 1 and 3.
struct Int8 {
  static constexpr int WORDS = 1;
  typedef Words Sums;
  typedef int16_t Pairs __attribute__((vector_size(VECTOR_BYTES)));
  struct Weights {
    Pairs even, odd;
  };
  static inline Weights weights(Bits bits, int) { return {(Pairs)((Pairs)bits << 8) >> 8, (Pairs)bits >> 8}; }
  static inline Words dot(Pairs a, Pairs b) {
#if VECTOR_BYTES == 64
    return (Words)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif VECTOR_BYTES == 32
    return (Words)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return ((Words)a << 16 >> 16) * ((Words)b << 16 >> 16) + ((Words)a >> 16) * ((Words)b >> 16);
#endif
  }
  static inline void add(Sums& sums, const Weights& weights, Bits x) {
    sums += dot(weights.even, (Pairs)(x & 0x00ff00ffu)) + dot(weights.odd, (Pairs)(x >> 8 & 0x00ff00ffu));
  }
};
#endif

#if defined(__AVX512BF16__)
struct BFloat16Pairs : Float {
  typedef Bits Weights;
  static inline Weights weights(Bits bits, int) { return bits; }
  static inline void add(Sums& sums, Weights weights, Bits x) {
    sums = (Floats)_mm512_dpbf16_ps((__m512)sums, (__m512bh)x, (__m512bh)weights);
  }
};

// Integers of eight bits are bfloat16 without rounding: the upper half of their float32.
struct Int8AsBFloat16 : BFloat16Pairs {
  static constexpr int WORDS = 2;
  static inline Weights weights(Bits bits, int word) {
    const Bits low = (Bits)Int8Weights::weights(bits, 2 * word), high = (Bits)Int8Weights::weights(bits, 2 * word + 1);
    return low >> 16 | high;
  }
};
#endif

// ROWS rows by VECTORS vectors of outputs. Few rows take CHAINS groups at a time, so that no sum waits for the one before.
template <class Format, int ROWS>
void tile(const uint32_t* x, int64_t stride, const uint32_t* panel, int64_t num_groups, uint32_t* out) {
  constexpr int CHAINS = ROWS <= 2 ? 2 : 1;
  typename Format::Sums sums[CHAINS][ROWS][VECTORS] = {};
  const auto group = [&](int chain, int64_t at) __attribute__((always_inline)) {
    const uint32_t* words = x + at * Format::WORDS * stride;
    if (ahead_bytes(ROWS))
#pragma GCC unroll 2
      for (int byte = 0; byte < VECTORS * VECTOR_BYTES; byte += CACHE_LINE)
        __builtin_prefetch((const char*)(panel + at * LINEAR_PANEL) + ahead_bytes(ROWS) + byte, 0, 2);
#pragma GCC unroll 4
    for (int word = 0; word < Format::WORDS; ++word, words += stride) {
      typename Format::Weights weights[VECTORS];
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; ++v) weights[v] = Format::weights(load(panel + at * LINEAR_PANEL + v * LANES), word);
#pragma GCC unroll 12
      for (int row = 0; row < ROWS; ++row) {
        const Bits of_row = words[row] - Bits{};
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; ++v) Format::add(sums[chain][row][v], weights[v], of_row);
      }
    }
  };
  int64_t at = 0;
  for (; at + CHAINS <= num_groups; at += CHAINS)
#pragma GCC unroll 2
    for (int chain = 0; chain < CHAINS; ++chain) group(chain, at + chain);
  if (CHAINS > 1 && at < num_groups) group(0, at);
#pragma GCC unroll 12
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) {
      if (CHAINS > 1) sums[0][row][v] += sums[CHAINS - 1][row][v];
      memcpy(out + row * LINEAR_PANEL + v * LANES, &sums[0][row][v], VECTOR_BYTES);
    }
}

template <class Format, int ROWS>
inline void tile_of(int64_t rows, const uint32_t* x, int64_t stride, const uint32_t* weights, int64_t num_groups, uint32_t* out) {
  if (rows == ROWS) return tile<Format, ROWS>(x, stride, weights, num_groups, out);
  if constexpr (ROWS > 1) tile_of<Format, ROWS - 1>(rows, x, stride, weights, num_groups, out);
}

template <class Format>
void panel_of(const uint32_t* x, int64_t stride, int64_t num_rows, const void* panel, int64_t num_groups, void* out) {
  for (int64_t first = 0; first < num_rows; first += TILE_ROWS) {
    const int64_t rows = num_rows - first < TILE_ROWS ? num_rows - first : TILE_ROWS;
    for (int column = 0; column < LINEAR_PANEL; column += VECTORS * LANES)
      tile_of<Format, TILE_ROWS>(rows, x + first, stride, (const uint32_t*)panel + column, num_groups,
                                 (uint32_t*)out + first * LINEAR_PANEL + column);
  }
}

}  // namespace
