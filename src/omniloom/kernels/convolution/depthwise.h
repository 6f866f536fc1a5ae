// Every channel by itself, over a run of pixels: eight of them with all their channels, then the next eight, so that
// memory is passed through in order. Whole rows, a block of channels at a time, took twice as long where they are not
// in a cache.
#pragma once
#include "vector.h"

namespace {

// R pixels by V vectors of channels from `channel`; the last vector may be a part of one.
template <int R, int V, bool IsWhole>
inline __attribute__((always_inline)) void depthwise_block(const ConvDepthwise* run, int64_t pixel, int64_t channel) {
  const int64_t count = IsWhole ? LANES : run->num_channels - channel;
  const int64_t step = run->pixel_stride, first = pixel * step + channel;
  Vector sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v)
      sums[r][v] = IsWhole ? load(run->bias + channel + v * LANES) : load_part(run->bias + channel, count);
  for (int64_t tap = 0; tap < run->num_taps; ++tap) {
    const float* taps = run->weights[tap] + channel;
    const float* row = run->rows[tap] + first;
    Vector weights[V];
    for (int v = 0; v < V; ++v) weights[v] = IsWhole ? load(taps + v * LANES) : load_part(taps, count);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) {
        const float* from = row + r * step + v * LANES;
        sums[r][v] += weights[v] * (IsWhole ? load(from) : load_part(from, count));
      }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) {
      float* to = run->to + (pixel + r) * run->num_channels + channel + v * LANES;
      if (IsWhole)
        store(to, sums[r][v]);
      else
        store_part(to, sums[r][v], count);
    }
}

// R pixels by a vector of channels where taps come in threes, each a pixel further: an input is loaded once for all
// three, and forgotten before the next one, so that sums and weights stay in registers.
template <int R>
inline __attribute__((always_inline)) void depthwise_threes(const ConvDepthwise* run, int64_t pixel, int64_t channel) {
  const int64_t step = run->pixel_stride;
  const Vector bias = load(run->bias + channel);
  Vector sums[R];
  for (int r = 0; r < R; ++r) sums[r] = bias;
  for (int64_t tap = 0; tap < run->num_taps; tap += 3) {
    const float* from = run->rows[tap] + pixel * step + channel;
    const Vector first = load(run->weights[tap] + channel), second = load(run->weights[tap + 1] + channel);
    const Vector third = load(run->weights[tap + 2] + channel);
#pragma GCC unroll 10
    for (int i = 0; i < R + 2; ++i, from += step) {
      const Vector input = load(from);
      if (i < R) sums[i] += first * input;
      if (i >= 1 && i <= R) sums[i - 1] += second * input;
      if (i >= 2) sums[i - 2] += third * input;
    }
  }
  float* to = run->to + pixel * run->num_channels + channel;
  for (int r = 0; r < R; ++r, to += run->num_channels) store(to, sums[r]);
}

template <int R>
__attribute__((noinline)) void depthwise_pixels(const ConvDepthwise* run, int64_t pixel) {
  int64_t channel = 0;
  if (run->has_threes)
    for (; channel + LANES <= run->num_channels; channel += LANES) depthwise_threes<R>(run, pixel, channel);
  for (; channel + 2 * LANES <= run->num_channels; channel += 2 * LANES)
    depthwise_block<R, 2, true>(run, pixel, channel);
  for (; channel + LANES <= run->num_channels; channel += LANES) depthwise_block<R, 1, true>(run, pixel, channel);
  if (channel < run->num_channels) depthwise_block<R, 1, false>(run, pixel, channel);
}

// What the next row needs is on its way meanwhile, evenly spread over the run. Fetching where results go as well made
// rows that come from memory slower by half.
inline void prefetch_pixels(const ConvDepthwise* run, int64_t pixel, int64_t count) {
  if (!run->next) return;
  for (int64_t r = pixel; r < pixel + count; ++r)
    for (int64_t channel = 0; channel < run->num_channels; channel += 16)
      __builtin_prefetch(run->next + r * run->pixel_stride + channel, 0, 2);
}

void conv_depthwise(const ConvDepthwise* run) {
  int64_t pixel = 0;
  for (; pixel + 8 <= run->num_pixels; pixel += 8) {
    prefetch_pixels(run, pixel, 8);
    depthwise_pixels<8>(run, pixel);
  }
  for (; pixel + 4 <= run->num_pixels; pixel += 4) depthwise_pixels<4>(run, pixel);
  for (; pixel < run->num_pixels; ++pixel) depthwise_pixels<1>(run, pixel);
  if (run->activation != CONV_NONE)
    activate_rows(run->to, run->num_channels, run->num_pixels, run->num_channels, run->activation);
}

}  // namespace
