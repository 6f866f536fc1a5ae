// A matrix in panels times one or many vectors. With one vector the memory decides, and a panel is one stream of it: cold,
// that reads three times as much a second as four rows side by side (0.18 ms instead of 0.55 for 4 MB). With many, a tile of
// outputs and vectors stays in registers. Each output sums its columns in their order, whatever the tile.
#pragma once
#include "decode_step.h"
#include "vectors.h"

namespace {

struct Float {
  static constexpr int COLUMNS = 1;  // in a word
  static inline Floats column(Bits words, int) { return (Floats)words; }
};

struct BFloat16 {
  static constexpr int COLUMNS = 2;
  static inline Floats column(Bits words, int place) { return (Floats)(place ? words & 0xffff0000u : words << 16); }
};

// VECTORS vectors of a panel's outputs, for INPUTS inputs.
template <class Format, int VECTORS, int INPUTS>
inline void multiply_tile(const uint32_t* panel, int columns, Vectors inputs, float* outputs) {
  Floats sums[INPUTS][VECTORS] = {};
  const auto column = [&](const Bits* words, int place, int at) __attribute__((always_inline)) {
    Floats weights[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) weights[v] = Format::column(words[v], place);
#pragma GCC unroll 8
    for (int input = 0; input < INPUTS; ++input) {
      const Floats x = fill(inputs.of(input)[at]);
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) sums[input][v] = multiply_add(weights[v], x, sums[input][v]);
    }
  };
  int at = 0;
  for (; at + Format::COLUMNS <= columns; at += Format::COLUMNS, panel += DECODE_PANEL) {
    Bits words[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) words[v] = load(panel + v * LANES);
#pragma GCC unroll 2
    for (int place = 0; place < Format::COLUMNS; ++place) column(words, place, at + place);
  }
  if (at < columns) {
    Bits words[VECTORS];
    for (int v = 0; v < VECTORS; ++v) words[v] = load(panel + v * LANES);
    column(words, 0, at);
  }
#pragma GCC unroll 8
  for (int input = 0; input < INPUTS; ++input)
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) store(outputs + input * DECODE_PANEL + v * LANES, sums[input][v]);
}

template <class Format, int INPUTS>
inline void multiply_tiles(const uint32_t* panel, int columns, Vectors inputs, int count, float* outputs) {
  constexpr int MOST = INPUTS == 1 ? 8 : 4;  // vectors: what the registers hold
  constexpr int VECTORS = DECODE_PANEL / LANES < MOST ? DECODE_PANEL / LANES : MOST;
  if (count == INPUTS) {
    for (int row = 0; row < DECODE_PANEL; row += VECTORS * LANES)
      multiply_tile<Format, VECTORS, INPUTS>(panel + row, columns, inputs, outputs + row);
  } else if constexpr (INPUTS > 1) {
    multiply_tiles<Format, INPUTS - 1>(panel, columns, inputs, count, outputs);
  }
}

template <class Format>
void multiply(const OmniloomMatrix& matrix, int start, int stop, Vectors inputs, Vectors outputs, int count) {
  const int64_t panel_words = (int64_t)(matrix.columns + Format::COLUMNS - 1) / Format::COLUMNS * DECODE_PANEL;
  for (int row = start / DECODE_PANEL * DECODE_PANEL; row < stop; row += DECODE_PANEL) {
    const uint32_t* panel = (const uint32_t*)matrix.panels + row / DECODE_PANEL * panel_words;
    const int first = row < start ? start : row, last = row + DECODE_PANEL < stop ? row + DECODE_PANEL : stop;
    for (int input = 0; input < count; input += TILE_INPUTS) {
      const int rest = count - input < TILE_INPUTS ? count - input : TILE_INPUTS;
      float found[TILE_INPUTS * DECODE_PANEL];
      multiply_tiles<Format, TILE_INPUTS>(panel, matrix.columns, {inputs.of(input), inputs.stride}, rest, found);
      for (int i = 0; i < rest; ++i)
        memcpy(outputs.of(input + i) + first - start, found + i * DECODE_PANEL + first - row,
               (last - first) * sizeof(float));
    }
  }
}

// Rows `start` to `stop` of the matrix times `count` vectors; the first goes to the outputs' first place.
void multiply(const OmniloomMatrix& matrix, int start, int stop, Vectors inputs, Vectors outputs, int count) {
  (matrix.is_bfloat16 ? multiply<BFloat16> : multiply<Float>)(matrix, start, stop, inputs, outputs, count);
}

void multiply(const OmniloomMatrix& matrix, Vectors inputs, Vectors outputs, int count) {
  multiply(matrix, 0, matrix.rows, inputs, outputs, count);
}

}  // namespace
