// The product of at most CONV_TILE_ROWS rows, gathered or evenly spaced, with a panel: accumulators stay in registers over all taps.
#pragma once
#include "vector.h"

namespace {

// R rows by two vectors of columns. Depth is the inner loop: R broadcasts and two loads feed 2 R multiply-adds.
template <int R>
__attribute__((noinline)) void tile_part(const ConvTile* tile, int64_t first_row, int64_t first_column) {
  Vector sums[R][2];
  for (int v = 0; v < 2; ++v) {
    const Vector bias = tile->bias ? load(tile->bias + first_column + v * LANES) : Vector{};
    for (int r = 0; r < R; ++r) sums[r][v] = bias;
  }
  const float* weights = tile->panel + first_column;
  const float* const* rows = tile->rows ? tile->rows + first_row : nullptr;
  const float* ahead = tile->ahead;
  const int64_t depth = tile->depth, ahead_step = tile->ahead_step;
  for (int64_t tap = 0; tap < tile->num_taps; ++tap, rows += tile->num_rows, weights += depth * CONV_PANEL) {
    const float* row[R];
    if (rows) {
      bool is_empty = true;
      for (int r = 0; r < R; ++r) {
        row[r] = rows[r] + depth;
        is_empty &= rows[r] == tile->zero;
      }
      if (is_empty) continue;
    } else {
      for (int r = 0; r < R; ++r) row[r] = tile->from + (first_row + r) * tile->from_stride + depth;
    }
    const float* at = weights;
    for (int64_t k = -depth; k < 0; ++k, at += CONV_PANEL, ahead += ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + 16, 0, 2);
      const Vector left = load(at), right = load(at + LANES);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const float value = row[r][k];
        sums[r][0] += value * left;
        sums[r][1] += value * right;
      }
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 2; ++v) {
      const int64_t column = first_column + v * LANES, left = tile->num_columns - column;
      float* to = tile->to + (first_row + r) * tile->to_stride + column;
      const Vector value = tile->activation == CONV_RELU ? at_least(sums[r][v], 0.f) : sums[r][v];
      if (left >= LANES)
        store(to, value);
      else if (left > 0)
        store_part(to, value, left);
    }
}

// By number of rows.
template <int... Rows>
struct TileParts {
  static constexpr void (*part[])(const ConvTile*, int64_t, int64_t) = {tile_part<Rows>...};
};
#if TILE_ROWS == 12
typedef TileParts<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12> Parts;
#else
typedef TileParts<1, 2, 3, 4, 5, 6> Parts;
#endif

// Sums start at the bias, and no rounding depends on how rows are divided into parts.
void conv_tile(const ConvTile* tile) {
  // Where results go is on its way meanwhile: stores that miss would otherwise hold up the next tile.
  for (int64_t r = 0; r < tile->num_rows; ++r)
    for (int64_t c = 0; c < tile->num_columns; c += 16) __builtin_prefetch(tile->to + r * tile->to_stride + c, 1);
  const int64_t num_parts = (tile->num_rows + TILE_ROWS - 1) / TILE_ROWS;
  for (int64_t p = 0; p < num_parts; ++p) {
    const int64_t first = tile->num_rows * p / num_parts, count = tile->num_rows * (p + 1) / num_parts - first;
    for (int64_t column = 0; column < tile->num_columns; column += 2 * LANES)
      Parts::part[count - 1](tile, first, column);
  }
  if (tile->activation > CONV_RELU)
    activate_rows(tile->to, tile->to_stride, tile->num_rows, tile->num_columns, tile->activation);
}

}  // namespace
