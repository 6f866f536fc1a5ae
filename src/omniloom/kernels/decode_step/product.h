// A matrix in panels times one or many vectors. With one vector the memory decides, and a panel is one stream of it: cold,
// that reads three times as much a second as four rows side by side (0.18 ms instead of 0.55 for 4 MB). With many, a tile of
// outputs and vectors stays in registers. Each output sums its columns in their order, whatever the tile.
//
// With ROUNDED_INPUTS vectors are rounded to bfloat16 before they meet a bfloat16 matrix: the processor then multiplies
// pairs of columns, twice as many a cycle, and nothing is widened. A vector is rounded once, not for each panel.
#pragma once
#include "decode_step.h"
#include "vectors.h"

namespace {

// A format says how a panel's word meets a vector: in PARTS parts, each with the next of the vector's inputs.
struct Float {
  static constexpr int COLUMNS = 1, PARTS = 1;  // in a word
  typedef float Input;
  typedef Floats Weights;
  static inline Weights weights(Bits words, int) { return (Floats)words; }
  static inline Floats add(Floats sums, Weights weights, Input x) { return multiply_add(weights, fill(x), sums); }
};

struct BFloat16 : Float {
  static constexpr int COLUMNS = 2, PARTS = 2;
  static inline Weights weights(Bits words, int part) { return (Floats)(part ? words & 0xffff0000u : words << 16); }
};

#if ROUNDED_INPUTS
// Inputs lie as the matrix does: two columns a word, the first in its lower half.
struct BFloat16Pairs {
  static constexpr int COLUMNS = 2, PARTS = 1;
  typedef uint32_t Input;
  typedef Bits Weights;
  static inline Weights weights(Bits words, int) { return words; }
  static inline Floats add(Floats sums, Weights weights, Input x) {
    return (Floats)_mm512_dpbf16_ps((__m512)sums, (__m512bh)(x - Bits{}), (__m512bh)weights);
  }
};

void round_columns(const float* from, int columns, uint32_t* to) {
  float rest[2 * LANES] = {};
  for (; columns > 0; columns -= 2 * LANES, from += 2 * LANES, to += LANES) {
    const int count = columns < 2 * LANES ? columns : 2 * LANES;
    if (count < 2 * LANES) from = (const float*)memcpy(rest, from, count * sizeof(float));
    const __m512bh words = _mm512_cvtne2ps_pbh((__m512)load(from + LANES), (__m512)load(from));
    memcpy(to, &words, (count + 1) / 2 * sizeof(uint32_t));
  }
}
#endif

// VECTORS vectors of a panel's outputs, for INPUTS vectors of `num_inputs`, `stride` apart.
template <class Format, int VECTORS, int INPUTS>
inline void multiply_tile(const uint32_t* panel, int num_inputs, const typename Format::Input* inputs, int64_t stride,
                          float* outputs) {
  Floats sums[INPUTS][VECTORS] = {};
  const auto word = [&](int at, int num_parts) __attribute__((always_inline)) {
    Bits words[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) words[v] = load(panel + v * LANES);
#pragma GCC unroll 2
    for (int part = 0; part < num_parts; ++part) {
      typename Format::Weights weights[VECTORS];
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) weights[v] = Format::weights(words[v], part);
#pragma GCC unroll 8
      for (int input = 0; input < INPUTS; ++input) {
        const typename Format::Input x = inputs[input * stride + at + part];
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; ++v) sums[input][v] = Format::add(sums[input][v], weights[v], x);
      }
    }
  };
  int at = 0;
  for (; at + Format::PARTS <= num_inputs; at += Format::PARTS, panel += DECODE_PANEL) word(at, Format::PARTS);
  if (at < num_inputs) word(at, 1);
#pragma GCC unroll 8
  for (int input = 0; input < INPUTS; ++input)
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) store(outputs + input * DECODE_PANEL + v * LANES, sums[input][v]);
}

template <class Format, int INPUTS>
inline void multiply_tiles(const uint32_t* panel, int num_inputs, const typename Format::Input* inputs, int64_t stride,
                           int count, float* outputs) {
  constexpr int MOST = INPUTS == 1 ? 8 : 4;  // vectors: what the registers hold
  constexpr int VECTORS = DECODE_PANEL / LANES < MOST ? DECODE_PANEL / LANES : MOST;
  if (count == INPUTS) {
    for (int row = 0; row < DECODE_PANEL; row += VECTORS * LANES)
      multiply_tile<Format, VECTORS, INPUTS>(panel + row, num_inputs, inputs, stride, outputs + row);
  } else if constexpr (INPUTS > 1) {
    multiply_tiles<Format, INPUTS - 1>(panel, num_inputs, inputs, stride, count, outputs);
  }
}

template <class Format>
void multiply(const OmniloomMatrix& matrix, int start, int stop, const typename Format::Input* inputs, int64_t stride,
              Vectors outputs, int count) {
  const int num_words = (matrix.columns + Format::COLUMNS - 1) / Format::COLUMNS;
  const int num_inputs = Format::PARTS == Format::COLUMNS ? matrix.columns : num_words;
  const int num_tiles = (count + TILE_INPUTS - 1) / TILE_INPUTS;
  for (int row = start / DECODE_PANEL * DECODE_PANEL; row < stop; row += DECODE_PANEL) {
    const uint32_t* panel = (const uint32_t*)matrix.panels + row / DECODE_PANEL * (int64_t)num_words * DECODE_PANEL;
    const int first = row < start ? start : row, last = row + DECODE_PANEL < stop ? row + DECODE_PANEL : stop;
    for (int tile = 0, input = 0; tile < num_tiles; ++tile) {  // as even as they go: a tile of one or two is slow
      const int rest = (count - input) / (num_tiles - tile);
      float found[TILE_INPUTS * DECODE_PANEL];
      multiply_tiles<Format, TILE_INPUTS>(panel, num_inputs, inputs + input * stride, stride, rest, found);
      for (int i = 0; i < rest; ++i)
        memcpy(outputs.of(input + i) + first - start, found + i * DECODE_PANEL + first - row,
               (last - first) * sizeof(float));
      input += rest;
    }
  }
}

// Rows `start` to `stop` of the matrix times `count` vectors; the first goes to the outputs' first place. `rounded` has room
// for the vectors in half of their size.
void multiply(const OmniloomMatrix& matrix, int start, int stop, Vectors inputs, Vectors outputs, int count,
              uint32_t* rounded) {
  if (!matrix.is_bfloat16) return multiply<Float>(matrix, start, stop, inputs.first, inputs.stride, outputs, count);
#if ROUNDED_INPUTS
  const int64_t num_words = (matrix.columns + 1) / 2;
  for (int i = 0; i < count; ++i) round_columns(inputs.of(i), matrix.columns, rounded + i * num_words);
  multiply<BFloat16Pairs>(matrix, start, stop, rounded, num_words, outputs, count);
#else
  (void)rounded;
  multiply<BFloat16>(matrix, start, stop, inputs.first, inputs.stride, outputs, count);
#endif
}

void multiply(const OmniloomMatrix& matrix, Vectors inputs, Vectors outputs, int count, uint32_t* rounded) {
  multiply(matrix, 0, matrix.rows, inputs, outputs, count, rounded);
}

}  // namespace
