// A causal block and the products it rests on, for the operators of this folder: a few dozen frames at a time go through the
// whole block, so that what lies between its steps stays in the nearest caches and every weight is read once for all of them.
#pragma once
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <vector>

#include "../convolution/convolution.h"
#include "../dispatch/dispatch.h"
#include "causal_block.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL
OMNILOOM_TABLE(conv_tile, ConvTileKernel)

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t CHUNK = 4 * CONV_TILE_ROWS;  // of frames

inline const float* data(const Tensor& tensor) { return static_cast<const float*>(tensor.const_data_ptr()); }

inline float* writable(Tensor& tensor) { return static_cast<float*>(tensor.mutable_data_ptr()); }

inline Tensor floats(std::initializer_list<int64_t> shape) { return torch::stable::empty(shape, ScalarType::Float); }

inline void check(const Tensor& tensor, int64_t count, const char* name) {
  STD_TORCH_CHECK(tensor.scalar_type() == ScalarType::Float && tensor.is_cpu() && tensor.is_contiguous() && tensor.numel() == count,
                  name, " must be ", count, " adjacent numbers of float32 on the CPU, got ", tensor.numel());
}

// A matrix in panels, or one a tap, from `depth` to `num_columns`.
struct Matrix {
  const float *panels, *bias;
  int64_t num_taps, depth, num_columns;
};

inline Matrix matrix(const Tensor& panels, const Tensor& bias, int64_t num_taps, int64_t depth, int64_t num_columns,
                     const char* name) {
  const int64_t padded = (num_columns + CONV_PANEL - 1) / CONV_PANEL * CONV_PANEL;
  check(panels, padded * num_taps * depth, name);
  check(bias, padded, name);
  return {data(panels), data(bias), num_taps, depth, num_columns};
}

// One stream's frames, and before them those that its last piece left.
struct Frames {
  const float *frames, *past;
  int64_t width, num_past;

  const float* at(int64_t i) const { return i < 0 ? past + (num_past + i) * width : frames + i * width; }
};

// Frames from `first` on times a matrix, plus its bias, then the activation.
inline void multiply(const Frames& from, int64_t first, int64_t num_rows, const Matrix& by, int64_t dilation,
                     ConvActivation activation, float* to) {
  std::vector<const float*> pointers((size_t)(num_rows * by.num_taps));
  const float** next = pointers.data();
  for (int64_t row = 0; row < num_rows; row += CONV_TILE_ROWS)
    for (int64_t tap = by.num_taps - 1; tap >= 0; --tap)
      for (int64_t i = row; i < std::min<int64_t>(row + CONV_TILE_ROWS, num_rows); ++i) *next++ = from.at(first + i - tap * dilation);
  const int64_t panel_size = by.num_taps * by.depth;
  for (int64_t column = 0; column < by.num_columns; column += CONV_PANEL)
    for (int64_t row = 0; row < num_rows; row += CONV_TILE_ROWS) {
      ConvTile tile{};
      tile.rows = pointers.data() + row * by.num_taps;
      tile.panel = by.panels + column * panel_size;
      tile.bias = by.bias + column;
      tile.to = to + row * by.num_columns + column;
      tile.num_taps = by.num_taps;
      tile.depth = by.depth;
      tile.num_rows = std::min<int64_t>(num_rows - row, CONV_TILE_ROWS);
      tile.num_columns = std::min<int64_t>(by.num_columns - column, CONV_PANEL);
      tile.to_stride = by.num_columns;
      tile.activation = activation;
      conv_tile()(&tile);
    }
}

struct Block {
  const float *taps, *norm;
  Matrix widen, narrow;
  int64_t num_taps, dilation;
  float epsilon;
};

// `count` frames from `first` on. `scratch` holds a chunk of both widths.
inline void run(const Block& of, const Frames& from, int64_t first, int64_t count, float* scratch, float* to) {
  const int64_t width = from.width;
  std::vector<const float*> rows((size_t)of.num_taps);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t tap = 0; tap < of.num_taps; ++tap)
      rows[(size_t)tap] = from.at(first + i - (of.num_taps - 1 - tap) * of.dilation);
    const CausalMix call{rows.data(), of.taps, of.norm, scratch + i * width, of.num_taps, width, of.epsilon};
    causal_mix()(&call);
  }
  float* const hidden = scratch + count * width;
  multiply({scratch, nullptr, width, 0}, 0, count, of.widen, 1, CONV_GELU_TANH, hidden);
  multiply({hidden, nullptr, of.narrow.depth, 0}, 0, count, of.narrow, 1, CONV_NONE, to + first * width);
  causal_add()(from.at(first), count * width, to + first * width);
}

// The last frames of the past and the piece together.
inline void keep(const Frames& from, int64_t num_frames, float* to) {
  const int64_t from_past = std::max<int64_t>(from.num_past - num_frames, 0), from_piece = from.num_past - from_past;
  std::copy_n(from.past + from_piece * from.width, from_past * from.width, to);
  std::copy_n(from.frames + (num_frames - from_piece) * from.width, from_piece * from.width, to + from_past * from.width);
}

// `frame(stream, first, count)` for every chunk of every stream, divided over threads.
template <class Function>
void for_chunks(int64_t num_streams, int64_t num_frames, Function function) {
  const int64_t num_chunks = (num_frames + CHUNK - 1) / CHUNK;
  torch::stable::parallel_for(0, num_streams * num_chunks, 1, [&](int64_t job, int64_t end) {
    for (; job < end; ++job) {
      const int64_t first = job % num_chunks * CHUNK;
      function(job / num_chunks, first, std::min(CHUNK, num_frames - first));
    }
  });
}

// A block over every stream, and what the next piece needs.
inline void run_block(const Block& of, const float* rows, const float* before, int64_t num_streams, int64_t num_frames,
                      int64_t width, float* to, float* kept) {
  const int64_t num_past = (of.num_taps - 1) * of.dilation, piece = num_frames * width, memory = num_past * width;
  const auto stream_at = [&](int64_t i) { return Frames{rows + i * piece, before + i * memory, width, num_past}; };
  const int64_t room = std::min(CHUNK, num_frames) * (width + of.widen.num_columns);
  for_chunks(num_streams, num_frames, [&](int64_t stream, int64_t first, int64_t count) {
    std::vector<float> scratch((size_t)room);
    run(of, stream_at(stream), first, count, scratch.data(), to + stream * piece);
  });
  for (int64_t i = 0; i < num_streams; ++i) keep(stream_at(i), num_frames, kept + i * memory);
}

inline Block block_of(const Tensor& taps, const Tensor& norm, const Tensor& widen, const Tensor& widen_bias, const Tensor& narrow,
                      const Tensor& narrow_bias, int64_t width, int64_t hidden, int64_t dilation, double epsilon) {
  STD_TORCH_CHECK(taps.dim() == 2 && taps.size(0) >= 1 && dilation >= 1 && hidden >= 1 && width >= 1,
                  "taps must be (taps, D), and dilation, hidden and D at least 1");
  check(taps, taps.size(0) * width, "taps");
  check(norm, width, "norm");
  return {data(taps), data(norm), matrix(widen, widen_bias, 1, width, hidden, "widen"),
          matrix(narrow, narrow_bias, 1, hidden, width, "narrow"), taps.size(0), dilation, (float)epsilon};
}

}  // namespace
