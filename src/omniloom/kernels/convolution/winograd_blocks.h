// Winograd's convolution over blocks of tiles: transform the input, multiply each of its planes by the weights' plane,
// transform back. A block's planes stay in the nearer caches.
#pragma once
#include <stdlib.h>

#include <new>

#include "direct.h"

struct WinogradPlan {
  int64_t side;  // of a tile of the output: 2 or 4
  ConvWinogradInput into;
  ConvWinogradOutputKernel out_of;
  ConvTileKernel multiply;

  int64_t num_planes() const { return (side + 2) * (side + 2); }
  int64_t tiles_down(const ConvGeometry& of) const { return (of.height_out + side - 1) / side; }
  int64_t tiles_across(const ConvGeometry& of) const { return (of.width_out + side - 1) / side; }
  int64_t num_tiles(const ConvGeometry& of) const { return of.num_images * tiles_down(of) * tiles_across(of); }
};

// The side of Winograd's tile that would take least time, 0 for the direct way. Counted are multiply-adds: of pixels or
// tiles with weights, of transforms (16 for each number in and out), and 8 for each weight, which comes from memory.
inline int64_t winograd_side(const ConvGeometry& of, bool has_two, bool has_four) {
  const double matrix = (double)of.channels_in * of.channels_out, weight_cost = 8, transform_cost = 16;
  double least = matrix * 9 * (of.num_pixels() + weight_cost);
  int64_t best = 0;
  for (int64_t side : {2, 4}) {
    if (!(side == 2 ? has_two : has_four)) continue;
    const WinogradPlan plan{side, nullptr, nullptr, nullptr};
    const double rows = (double)plan.num_planes() * plan.num_tiles(of), weights = plan.num_planes() * matrix;
    const double cost = rows * (matrix + transform_cost * (of.channels_in + of.channels_out)) + weights * weight_cost;
    if (cost < least) {
      least = cost;
      best = side;
    }
  }
  return best;
}

// As many tiles as fit 512 kB with their products, at least 24; 96 where weights are more than caches keep, so that they
// are read seldom. Blocks are of nearly one size.
inline int64_t tiles_in_block(const WinogradPlan& plan, const ConvGeometry& of, int64_t num_threads) {
  const int64_t width = of.panels_per_group() * CONV_PANEL, num_tiles = plan.num_tiles(of);
  const int64_t bytes = plan.num_planes() * (of.channels_in + width) * (int64_t)sizeof(float);
  const int64_t weight_bytes = plan.num_planes() * of.channels_in * width * (int64_t)sizeof(float);
  const int64_t least = 2 * CONV_TILE_ROWS, most = 8 * CONV_TILE_ROWS;
  int64_t tiles = weight_bytes > (16 << 20) ? most : (512 << 10) / bytes;
  tiles = tiles < least ? least : tiles > most ? most : tiles;
  int64_t num_blocks = (num_tiles + tiles - 1) / tiles;
  num_blocks = (num_blocks + num_threads - 1) / num_threads * num_threads;
  return (num_tiles + num_blocks - 1) / num_blocks;
}

// A block's planes: (plane, tile, channel), of the input and of the products.
struct WinogradScratch {
  float* input;
  float* products;
  int64_t input_stride, product_stride;  // from plane to plane

  WinogradScratch(const WinogradPlan& plan, const ConvGeometry& of, int64_t num_tiles)
      : input_stride(plane_stride(num_tiles * of.channels_in)),
        product_stride(plane_stride(num_tiles * of.panels_per_group() * CONV_PANEL)) {
    void* memory = nullptr;
    const int64_t count = plan.num_planes() * (input_stride + product_stride);
    if (posix_memalign(&memory, 64, count * sizeof(float))) throw std::bad_alloc();
    input = static_cast<float*>(memory);
    products = input + plan.num_planes() * input_stride;
  }
  // A tile's 36 places in as many planes fall into different sets of a cache: a line more than a multiple of 4 kB.
  static int64_t plane_stride(int64_t count) { return (count + 1023) / 1024 * 1024 + 16; }
  ~WinogradScratch() { free(input); }
  WinogradScratch(const WinogradScratch&) = delete;
};

inline void prefetch_pixel(const float* pixel, int64_t num_channels) {
  for (int64_t channel = 0; channel < num_channels; channel += 16) __builtin_prefetch(pixel + channel, 0, 2);
}

inline void transform_tile(const WinogradPlan& plan, const ConvGeometry& of, int64_t tile, float* to,
                           int64_t plane_stride) {
  const int64_t across = plan.tiles_across(of), down = plan.tiles_down(of);
  const int64_t x = tile % across * plan.side - of.left, y = tile / across % down * plan.side - of.top;
  const float* rows[36];
  for (int64_t i = 0, at = 0; i < plan.side + 2; ++i)
    for (int64_t j = 0; j < plan.side + 2; ++j) rows[at++] = pixel_at(of, tile / across / down, y + i, x + j, 0);
  for (int64_t i = 0; i < plan.side + 2; ++i)  // what the tile to the right will read first
    for (int64_t j = plan.side + 2; j < 2 * plan.side + 2; ++j)
      prefetch_pixel(pixel_at(of, tile / across / down, y + i, x + j, 0), of.channels_in);
  plan.into(rows, of.channels_in, to, plane_stride);
}

inline void multiply_planes(const WinogradPlan& plan, const ConvGeometry& of, const float* weights, int64_t num_tiles,
                            const WinogradScratch& scratch) {
  const int64_t panels = of.panels_per_group(), width = panels * CONV_PANEL, depth = of.channels_in;
  const ConvTiles tiles{num_tiles, 0};
  for (int64_t plane = 0; plane < plan.num_planes(); ++plane)
    for (int64_t panel = 0; panel < panels; ++panel)
      for (int64_t tile = 0; tile < tiles.count(); ++tile) {
        ConvTile call{};
        call.from = scratch.input + plane * scratch.input_stride + tiles.first(tile) * depth;
        call.from_stride = depth;
        call.panel = weights + (plane * panels + panel) * depth * CONV_PANEL;
        call.to = scratch.products + plane * scratch.product_stride + tiles.first(tile) * width + panel * CONV_PANEL;
        call.num_taps = 1;
        call.depth = depth;
        call.num_rows = tiles.size(tile);
        call.num_columns = CONV_PANEL;
        call.to_stride = width;
        fetch_ahead(call, call.panel + depth * CONV_PANEL, tile, tiles.count());
        plan.multiply(&call);
      }
}

inline void finish_tile(const WinogradPlan& plan, const ConvGeometry& of, const ConvWeights& weights, int64_t tile,
                        const float* from, int64_t plane_stride, float* to) {
  const int64_t across = plan.tiles_across(of), down = plan.tiles_down(of), image = tile / across / down;
  const int64_t x = tile % across * plan.side, y = tile / across % down * plan.side;
  float* places[16];
  for (int64_t i = 0, at = 0; i < plan.side; ++i)
    for (int64_t j = 0; j < plan.side; ++j, ++at) {
      const bool is_inside = y + i < of.height_out && x + j < of.width_out;
      places[at] =
          is_inside ? to + ((image * of.height_out + y + i) * of.width_out + x + j) * of.channels_out : nullptr;
      if (is_inside && x + j + plan.side < of.width_out)
        prefetch_pixel(places[at] + plan.side * of.channels_out, of.channels_out);
    }
  const ConvWinogradOutput call{from, weights.bias, places, plane_stride, of.channels_out, weights.activation};
  plan.out_of(&call);
}

inline void convolve_block(const WinogradPlan& plan, const ConvGeometry& of, const ConvWeights& weights,
                           int64_t first_tile, int64_t num_tiles, const WinogradScratch& scratch, float* to) {
  const int64_t width = of.panels_per_group() * CONV_PANEL;
  for (int64_t t = 0; t < num_tiles; ++t)
    transform_tile(plan, of, first_tile + t, scratch.input + t * of.channels_in, scratch.input_stride);
  multiply_planes(plan, of, weights.panels, num_tiles, scratch);
  for (int64_t t = 0; t < num_tiles; ++t)
    finish_tile(plan, of, weights, first_tile + t, scratch.products + t * width, scratch.product_stride, to);
}
