// The transforms of Winograd's minimal filtering, a vector of channels at a time (Lavin & Gray 2015, "Fast Algorithms
// for Convolutional Neural Networks", section 4). F(2x2, 3x3) is Toom & Cook's interpolation at 0, 1, -1 and infinity.
// F(4x4, 3x3) interpolates at 0, +-a, +-1/a and infinity, where a is the square root of 1/2: the paper's 0, +-1, +-2
// gives three times the error (Barabasz et al. 2018, "Error Analysis and Improving the Accuracy of Winograd
// Convolution", on why). winograd.py holds the matrices.
#pragma once
#include "vector.h"

namespace {

constexpr float NEAR = 0.70710678f, FAR = 1.41421356f;  // the points of F(4x4, 3x3)

template <int Output>
struct Minimal;

template <>
struct Minimal<2> {
  static inline __attribute__((always_inline)) void into(const Vector d[4], Vector to[4]) {
    to[0] = d[2] - d[0];
    to[1] = d[2] + d[1];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
  }
  static inline __attribute__((always_inline)) void out_of(const Vector p[4], Vector to[2]) {
    to[0] = p[0] + p[1] + p[2];
    to[1] = p[1] - p[2] + p[3];
  }
};

template <>
struct Minimal<4> {
  static inline __attribute__((always_inline)) void into(const Vector d[6], Vector to[6]) {
    const Vector even_near = d[4] - 2.f * d[2], odd_near = NEAR * (d[3] - 2.f * d[1]);
    const Vector even_far = d[4] - 0.5f * d[2], odd_far = FAR * (d[3] - 0.5f * d[1]);
    to[0] = d[0] - 2.5f * d[2] + d[4];
    to[1] = even_near + odd_near;
    to[2] = even_near - odd_near;
    to[3] = even_far + odd_far;
    to[4] = even_far - odd_far;
    to[5] = d[1] - 2.5f * d[3] + d[5];
  }
  static inline __attribute__((always_inline)) void out_of(const Vector p[6], Vector to[4]) {
    const Vector even_near = p[1] + p[2], odd_near = NEAR * (p[1] - p[2]);
    const Vector even_far = p[3] + p[4], odd_far = FAR * (p[3] - p[4]);
    to[0] = p[0] + even_near + even_far;
    to[1] = odd_near + odd_far;
    to[2] = 0.5f * even_near + 2.f * even_far;
    to[3] = 0.5f * odd_near + 2.f * odd_far + p[5];
  }
};

template <int Output, bool IsWhole>
inline __attribute__((always_inline)) void winograd_input_column(const float* const* rows, int64_t channel,
                                                                 int64_t count, float* to, int64_t plane_stride) {
  constexpr int N = Output + 2;
  Vector half[N][N];
#pragma GCC unroll 6
  for (int x = 0; x < N; ++x) {
    Vector column[N], found[N];
    for (int y = 0; y < N; ++y) {
      const float* from = rows[y * N + x] + channel;
      column[y] = IsWhole ? load(from) : load_part(from, count);
    }
    Minimal<Output>::into(column, found);
    for (int y = 0; y < N; ++y) half[y][x] = found[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < N; ++y) {
    Vector found[N];
    Minimal<Output>::into(half[y], found);
    for (int x = 0; x < N; ++x) {
      float* place = to + (y * N + x) * plane_stride + channel;
      if (IsWhole)
        store(place, found[x]);
      else
        store_part(place, found[x], count);
    }
  }
}

template <int Output>
void winograd_input(const float* const* rows, int64_t num_channels, float* to, int64_t plane_stride) {
  int64_t c = 0;
  for (; c + LANES <= num_channels; c += LANES) winograd_input_column<Output, true>(rows, c, LANES, to, plane_stride);
  if (c < num_channels) winograd_input_column<Output, false>(rows, c, num_channels - c, to, plane_stride);
}

template <int Output, bool IsWhole>
inline __attribute__((always_inline)) void winograd_output_column(const ConvWinogradOutput* tile, int64_t channel,
                                                                  int64_t count) {
  constexpr int N = Output + 2;
  Vector half[Output][N];
#pragma GCC unroll 6
  for (int x = 0; x < N; ++x) {
    Vector column[N], found[Output];
    for (int y = 0; y < N; ++y) column[y] = load(tile->from + (y * N + x) * tile->plane_stride + channel);
    Minimal<Output>::out_of(column, found);
    for (int y = 0; y < Output; ++y) half[y][x] = found[y];
  }
  const Vector bias = load(tile->bias + channel);
#pragma GCC unroll 4
  for (int y = 0; y < Output; ++y) {
    Vector found[Output];
    Minimal<Output>::out_of(half[y], found);
    for (int x = 0; x < Output; ++x) {
      float* place = tile->to[y * Output + x];
      if (!place) continue;
      const Vector value = activated(found[x] + bias, tile->activation);
      if (IsWhole)
        store(place + channel, value);
      else
        store_part(place + channel, value, count);
    }
  }
}

template <int Output>
void winograd_output(const ConvWinogradOutput* tile) {
  int64_t c = 0;
  for (; c + LANES <= tile->num_channels; c += LANES) winograd_output_column<Output, true>(tile, c, LANES);
  if (c < tile->num_channels) winograd_output_column<Output, false>(tile, c, tile->num_channels - c);
}

void conv_winograd_input_2(const float* const* rows, int64_t num_channels, float* to, int64_t plane_stride) {
  winograd_input<2>(rows, num_channels, to, plane_stride);
}
void conv_winograd_input_4(const float* const* rows, int64_t num_channels, float* to, int64_t plane_stride) {
  winograd_input<4>(rows, num_channels, to, plane_stride);
}
void conv_winograd_output_2(const ConvWinogradOutput* tile) { winograd_output<2>(tile); }
void conv_winograd_output_4(const ConvWinogradOutput* tile) { winograd_output<4>(tile); }

}  // namespace
