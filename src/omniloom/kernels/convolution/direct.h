// Indirect convolution over chunks of pixels, and for comparison the same with gathered rows copied together (im2col).
#pragma once
#include <string.h>

#include "../dispatch/dispatch.h"
#include "geometry.h"

// Where many tiles pass over a panel, it lies in the second cache from the first of them on, and each of them fetches its
// share of the next panel, so that weights come from memory without a pause. A single tile fetches a little ahead.
inline void fetch_ahead(ConvTile& call, const float* next_panel, int64_t tile, int64_t num_tiles) {
  const int64_t size = call.num_taps * call.depth * CONV_PANEL, little = 64 * CONV_PANEL;
  call.ahead = num_tiles == 1 ? call.panel + little : next_panel + size / num_tiles * tile;
  call.ahead_step = (CONV_PANEL + num_tiles - 1) / num_tiles;
}

struct ConvWeights {
  const float* panels;  // groups times panels_per_group
  const float* bias;    // padded alike, or null
  ConvActivation activation;
};

// The input's pixels that a tile is the first to touch, those under its last taps, are on their way to the second cache
// while pointers to the next tiles are made: rows so short and so far apart mislead the processor's own prefetch.
inline void prefetch_tile(const ConvGeometry& of, const float* const* pointers, int64_t num_rows) {
  const int64_t first_y = of.kernel_height > of.stride_height ? of.kernel_height - of.stride_height : 0;
  const int64_t first_x = of.kernel_width > of.stride_width ? of.kernel_width - of.stride_width : 0;
  for (int64_t y = first_y; y < of.kernel_height; ++y)
    for (int64_t i = (y * of.kernel_width + first_x) * num_rows; i < (y + 1) * of.kernel_width * num_rows; ++i)
      for (int64_t channel = 0; channel < of.depth(); channel += 16) __builtin_prefetch(pointers[i] + channel, 0, 2);
}

// Rows of channels_out; num_panels of one group from first_panel, for one chunk. Without pointers, the input is read as
// the matrix that it is.
inline void convolve_chunk(const ConvGeometry& of, const ConvWeights& weights, ConvTileKernel kernel,
                           const ConvChunks& chunks, int64_t chunk, int64_t group, int64_t first_panel,
                           int64_t last_panel, const float** pointers, float* to) {
  const ConvTiles tiles = chunks.tiles(chunk);
  const int64_t first_pixel = chunks.first(chunk), num_taps = of.num_taps(), group_out = of.channels_out / of.groups;
  for (int64_t tile = 0; pointers && tile < tiles.count(); ++tile) {
    const float** at = pointers + tiles.first(tile) * num_taps;
    point_at_taps(of, first_pixel + tiles.first(tile), tiles.size(tile), group * of.depth(), at);
    prefetch_tile(of, at, tiles.size(tile));
  }
  for (int64_t panel = first_panel; panel < last_panel; ++panel) {
    const int64_t place = group * of.panels_per_group() + panel, column = panel * CONV_PANEL;
    for (int64_t tile = 0; tile < tiles.count(); ++tile) {
      ConvTile call;
      call.rows = pointers ? pointers + tiles.first(tile) * num_taps : nullptr;
      call.from = of.from + (first_pixel + tiles.first(tile)) * of.pixel_stride + group * of.depth();
      call.from_stride = of.pixel_stride;
      call.zero = of.zero;
      call.panel = weights.panels + place * num_taps * of.depth() * CONV_PANEL;
      call.bias = weights.bias ? weights.bias + place * CONV_PANEL : nullptr;
      call.to = to + (first_pixel + tiles.first(tile)) * of.channels_out + group * group_out + column;
      call.num_taps = num_taps;
      call.depth = of.depth();
      call.num_rows = tiles.size(tile);
      call.num_columns = group_out - column < CONV_PANEL ? group_out - column : CONV_PANEL;
      call.to_stride = of.channels_out;
      call.activation = weights.activation;
      fetch_ahead(call, call.panel + num_taps * of.depth() * CONV_PANEL, tile, tiles.count());
      kernel(&call);
    }
  }
}

// Whether the input is its own patch matrix: 1x1 of stride 1, pixels evenly spaced.
inline bool is_matrix(const ConvGeometry& of) {
  return of.num_taps() == 1 && of.stride_height == 1 && of.stride_width == 1 && of.height_out == of.height &&
         of.width_out == of.width && (of.height == 1 || of.row_stride == of.width * of.pixel_stride) &&
         (of.num_images == 1 || of.image_stride == of.height * of.width * of.pixel_stride);
}

// The patch matrix of one group: a pixel's taps side by side. A geometry of one tap reads it.
inline ConvGeometry as_patches(const ConvGeometry& of, int64_t group, float* patches) {
  const int64_t num_taps = of.num_taps(), depth = of.depth(), width = num_taps * depth;
  std::vector<const float*> pointers(num_taps);
  for (int64_t pixel = 0; pixel < of.num_pixels(); ++pixel) {
    point_at_taps(of, pixel, 1, group * depth, pointers.data());
    for (int64_t tap = 0; tap < num_taps; ++tap)
      memcpy(patches + pixel * width + tap * depth, pointers[tap], depth * sizeof(float));
  }
  ConvGeometry found = of;
  found.from = patches;
  found.past = nullptr;
  found.num_images = found.height = found.height_out = found.groups = 1;
  found.width = found.width_out = of.num_pixels();
  found.channels_in = found.pixel_stride = width;
  found.kernel_height = found.kernel_width = found.stride_height = found.stride_width = 1;
  found.top = found.left = 0;
  return found;
}
