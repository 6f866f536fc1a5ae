// Where things lie: the rows of an input, what is asked of them, and the pointers to them (the indirection buffer).
#pragma once
#include <stdint.h>

#include <vector>

#include "convolution.h"

// A sound is an image of height 1. Strides count floats; a pixel's channels are adjacent in memory.
struct ConvGeometry {
  const float* from;
  const float* past;  // num_images streams' pixels before the first one, or null: then there are zeros
  const float* zero;  // as many zeros as there are input channels
  int64_t num_images, height, width, channels_in, image_stride, row_stride, pixel_stride, past_stride;
  int64_t height_out, width_out, channels_out, groups;
  int64_t kernel_height, kernel_width, stride_height, stride_width, top, left, dilation_height, dilation_width;

  int64_t num_pixels() const { return num_images * height_out * width_out; }
  int64_t num_taps() const { return kernel_height * kernel_width; }
  int64_t depth() const { return channels_in / groups; }
  int64_t panels_per_group() const { return (channels_out / groups + CONV_PANEL - 1) / CONV_PANEL; }
};

// Where a pixel of the input is; outside of it, the past or zeros.
inline const float* pixel_at(const ConvGeometry& of, int64_t image, int64_t y, int64_t x, int64_t channel) {
  if (y < 0 || y >= of.height || x >= of.width) return of.zero;
  if (x < 0) return of.past ? of.past + image * of.past_stride + (x + of.left) * of.channels_in + channel : of.zero;
  return of.from + image * of.image_stride + y * of.row_stride + x * of.pixel_stride + channel;
}

// One tap of `count` pixels of a row of the output, the first of which reads column x of row y of the input.
inline void point_at_tap(const ConvGeometry& of, int64_t image, int64_t y, int64_t x, int64_t count, int64_t channel,
                         const float** to) {
  const int64_t step = of.stride_width * of.pixel_stride;
  const bool is_inside = y >= 0 && y < of.height;
  int64_t i = 0;
  for (; i < count && (x < 0 || !is_inside); ++i, x += of.stride_width) to[i] = pixel_at(of, image, y, x, channel);
  const int64_t room = i < count && x < of.width ? (of.width - 1 - x) / of.stride_width + 1 : 0;
  const float* from = room > 0 ? pixel_at(of, image, y, x, channel) : of.zero;
  const int64_t last = i + room < count ? i + room : count;
  for (; i < last; ++i, from += step) to[i] = from;
  for (; i < count; ++i) to[i] = of.zero;
}

// The rows under `count` output pixels in the order of images, rows and columns, as (tap, pixel).
inline void point_at_taps(const ConvGeometry& of, int64_t first_pixel, int64_t count, int64_t channel,
                          const float** to) {
  for (int64_t i = 0; i < count;) {
    const int64_t x = (first_pixel + i) % of.width_out, y = (first_pixel + i) / of.width_out;
    const int64_t run = of.width_out - x < count - i ? of.width_out - x : count - i;
    const int64_t first_y = y % of.height_out * of.stride_height - of.top, first_x = x * of.stride_width - of.left;
    const float** at = to + i;
    for (int64_t tap_y = 0; tap_y < of.kernel_height; ++tap_y)
      for (int64_t tap_x = 0; tap_x < of.kernel_width; ++tap_x, at += count)
        point_at_tap(of, y / of.height_out, first_y + tap_y * of.dilation_height, first_x + tap_x * of.dilation_width,
                     run, channel, at);
    i += run;
  }
}

// Tiles of nearly equal size, so that the last of 49 pixels is not left with one; of one size, where that divides the
// rows of an image, for then a tile at the upper or lower edge has taps that lie outside altogether and are passed
// over.
struct ConvTiles {
  int64_t num_rows, size_given;

  int64_t count() const {
    const int64_t size = size_given ? size_given : CONV_TILE_ROWS;
    return (num_rows + size - 1) / size;
  }
  int64_t first(int64_t tile) const { return size_given ? at_most(tile * size_given) : num_rows * tile / count(); }
  int64_t size(int64_t tile) const { return first(tile + 1) - first(tile); }
  int64_t at_most(int64_t row) const { return row < num_rows ? row : num_rows; }
};

inline int64_t tile_size(const ConvGeometry& of) {
  if (of.top > 0)
    for (int64_t size = CONV_TILE_ROWS; size >= 7; --size)
      if (of.width_out % size == 0) return size;
  return 0;
}

// Pixels divided into chunks whose input and pointers stay in the nearer caches while every panel passes over them.
struct ConvChunks {
  int64_t num_pixels, rows, tile_rows;

  int64_t count() const { return (num_pixels + rows - 1) / rows; }
  int64_t first(int64_t chunk) const { return chunk * rows; }
  ConvTiles tiles(int64_t chunk) const {
    const int64_t left = num_pixels - first(chunk);
    return {left < rows ? left : rows, tile_rows};
  }
};

inline ConvChunks chunks_of(const ConvGeometry& of, int64_t num_threads) {
  const int64_t num_pixels = of.num_pixels(), tile = tile_size(of), step = tile ? tile : CONV_TILE_ROWS;
  const int64_t input_bytes = of.num_images * of.height * of.width * of.depth() * (int64_t)sizeof(float);
  const int64_t least = 8 * CONV_TILE_ROWS, most = 20 * CONV_TILE_ROWS, bytes = 256 << 10;
  int64_t rows = bytes / (input_bytes / num_pixels + 1);
  rows = rows < least ? least : rows > most ? most : rows;
  const int64_t share = (num_pixels + num_threads - 1) / num_threads;  // at least a chunk for every thread
  rows = rows < share ? rows : share;
  return {num_pixels, (rows + step - 1) / step * step, tile};
}
