// Between torch's own layout, where a channel's pixels are adjacent, and rows, where a pixel's channels are.
#pragma once
#include <stdint.h>

namespace {

typedef float Four __attribute__((vector_size(16)));
typedef float LooseFour __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t FourIntegers __attribute__((vector_size(16)));

inline __attribute__((always_inline)) void transpose_four(const float* from, int64_t from_stride, float* to,
                                                          int64_t to_stride) {
  const Four a = *(const LooseFour*)from, b = *(const LooseFour*)(from + from_stride);
  const Four c = *(const LooseFour*)(from + 2 * from_stride), d = *(const LooseFour*)(from + 3 * from_stride);
  const Four ab_low = __builtin_shuffle(a, b, (FourIntegers){0, 4, 1, 5});
  const Four ab_high = __builtin_shuffle(a, b, (FourIntegers){2, 6, 3, 7});
  const Four cd_low = __builtin_shuffle(c, d, (FourIntegers){0, 4, 1, 5});
  const Four cd_high = __builtin_shuffle(c, d, (FourIntegers){2, 6, 3, 7});
  *(LooseFour*)to = __builtin_shuffle(ab_low, cd_low, (FourIntegers){0, 1, 4, 5});
  *(LooseFour*)(to + to_stride) = __builtin_shuffle(ab_low, cd_low, (FourIntegers){2, 3, 6, 7});
  *(LooseFour*)(to + 2 * to_stride) = __builtin_shuffle(ab_high, cd_high, (FourIntegers){0, 1, 4, 5});
  *(LooseFour*)(to + 3 * to_stride) = __builtin_shuffle(ab_high, cd_high, (FourIntegers){2, 3, 6, 7});
}

void transpose_block(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t num_rows,
                     int64_t num_columns) {
  int64_t column = 0;
  for (; column + 4 <= num_columns; column += 4) {
    int64_t row = 0;
    for (; row + 4 <= num_rows; row += 4)
      transpose_four(from + row * from_stride + column, from_stride, to + column * to_stride + row, to_stride);
    for (; row < num_rows; ++row)
      for (int64_t c = column; c < column + 4; ++c) to[c * to_stride + row] = from[row * from_stride + c];
  }
  for (; column < num_columns; ++column)
    for (int64_t row = 0; row < num_rows; ++row) to[column * to_stride + row] = from[row * from_stride + column];
}

void prefetch_block(const float* from, int64_t stride, int64_t num_rows, int64_t num_columns) {
  for (int64_t row = 0; row < num_rows; ++row)
    for (int64_t column = 0; column < num_columns; column += 16) __builtin_prefetch(from + row * stride + column);
}

// In blocks of whole cache lines on both sides, which are fetched while the one before is turned: three times as fast.
void conv_transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t num_rows,
                    int64_t num_columns) {
  const int64_t side = 16;
  for (int64_t row = 0; row < num_rows; row += side)
    for (int64_t column = 0; column < num_columns; column += side) {
      const int64_t height = num_rows - row < side ? num_rows - row : side;
      const int64_t width = num_columns - column < side ? num_columns - column : side;
      if (column + side < num_columns) {
        const int64_t next = num_columns - column - side;
        prefetch_block(from + row * from_stride + column + side, from_stride, height, next < side ? next : side);
        prefetch_block(to + (column + side) * to_stride + row, to_stride, next < side ? next : side, height);
      }
      transpose_block(from + row * from_stride + column, from_stride, to + column * to_stride + row, to_stride, height,
                      width);
    }
}

}  // namespace
