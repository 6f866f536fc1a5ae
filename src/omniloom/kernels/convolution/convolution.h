// Convolution of float32 rows: an output pixel is the sum over taps of a row of the input (its channels, adjacent in
// memory) times a matrix of weights. Where a tap's row is, a pointer says (Dukhan 2019, "The Indirect Convolution
// Algorithm"): stride, padding, dilation and a stream's past differ only in where pointers point, and nothing is
// copied.
//
// Weights    panels of CONV_PANEL output channels, each (taps, depth, CONV_PANEL), zeros where the last one is wider
// than
//            the channels there are; biases padded alike. The same on every instruction set.
// Alignment  that of float; panels that start at 64 bytes are faster.
// Exactness  an output's products are added in the order (tap, channel), whatever tile it falls in, so that a sound in
//            pieces gives the bits of the whole one. Winograd's tiles round otherwise: within 1e-5 of the output's
//            scale.
#pragma once
#include <stdint.h>

enum { CONV_PANEL = 32, CONV_TILE_ROWS = 12 };

enum ConvActivation : int32_t { CONV_NONE, CONV_RELU, CONV_SILU, CONV_GELU, CONV_GELU_TANH, CONV_ELU };

// At most CONV_TILE_ROWS output pixels by one panel.
struct ConvTile {
  const float* const* rows;  // (num_taps, num_rows): where each tap of each pixel begins; null for one tap whose
  const float* from;         // rows begin here, from_stride apart
  const float* zero;         // a tap whose rows all are this one is passed over
  const float* panel;
  const float* bias;   // CONV_PANEL values, or null
  const float* ahead;  // weights to be read later, fetched meanwhile: ahead_step floats for each row of the panel
  float* to;           // num_rows rows of num_columns
  int64_t num_taps, depth, num_rows, num_columns, from_stride, to_stride, ahead_step;
  ConvActivation activation;
};
typedef void (*ConvTileKernel)(const ConvTile*);

// Adjacent output pixels, every channel by itself. From one to the next, a tap moves by pixel_stride in the input.
struct ConvDepthwise {
  const float* const* rows;     // (num_taps): where each tap of the first pixel begins
  const float* const* weights;  // (num_taps): num_channels each
  const float* bias;
  const float* next;  // what the first pixel of the row below will be the first to need, or null
  float* to;          // num_pixels rows of num_channels, adjacent
  int64_t num_taps, num_pixels, pixel_stride, num_channels;
  bool has_threes;  // taps come in threes, each of which begins pixel_stride after the one before
  ConvActivation activation;
};
typedef void (*ConvDepthwiseKernel)(const ConvDepthwise*);

// to[column][row] = from[row][column].
typedef void (*ConvTranspose)(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t num_rows,
                              int64_t num_columns);

// One tile of Winograd's F(m x m, 3 x 3), where m is 2 or 4 and n = m + 2: n x n rows of the input become n x n rows of
// as many channels, plane_stride apart.
typedef void (*ConvWinogradInput)(const float* const* rows, int64_t num_channels, float* to, int64_t plane_stride);

// And back: n x n rows of products become m x m pixels; those that lie outside the output have null for a place.
struct ConvWinogradOutput {
  const float* from;  // n x n rows of num_channels, plane_stride apart, which may be read to a multiple of CONV_PANEL
  const float* bias;  // padded alike
  float* const* to;   // m x m places
  int64_t plane_stride, num_channels;
  ConvActivation activation;
};
typedef void (*ConvWinogradOutputKernel)(const ConvWinogradOutput*);
