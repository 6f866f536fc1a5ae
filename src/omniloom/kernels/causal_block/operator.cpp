// omniloom::causal_block on a CPU: a few dozen frames at a time go through the whole block, so that what lies between its
// steps stays in the nearest caches and every weight is read once for all of them.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <tuple>
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

// A matrix in panels, from `depth` to `num_columns`.
struct Matrix {
  const float *panels, *bias;
  int64_t depth, num_columns;
};

struct Block {
  const float *taps, *norm;
  Matrix widen, narrow;
  int64_t width, num_taps, dilation, num_past, num_frames;
  float epsilon;
};

const float* data(const Tensor& tensor) { return static_cast<const float*>(tensor.const_data_ptr()); }

void check(const Tensor& tensor, int64_t count, const char* name) {
  STD_TORCH_CHECK(tensor.scalar_type() == ScalarType::Float && tensor.is_cpu() && tensor.is_contiguous() && tensor.numel() == count,
                  name, " must be ", count, " adjacent numbers of float32 on the CPU, got ", tensor.numel());
}

Matrix matrix(const Tensor& panels, const Tensor& bias, int64_t depth, int64_t num_columns, const char* name) {
  const int64_t padded = (num_columns + CONV_PANEL - 1) / CONV_PANEL * CONV_PANEL;
  check(panels, padded * depth, name);
  check(bias, padded, name);
  return {data(panels), data(bias), depth, num_columns};
}

// Adjacent rows times a matrix, plus its bias, then the activation.
void multiply(const float* rows, int64_t num_rows, const Matrix& by, ConvActivation activation, float* to) {
  const float* pointers[CHUNK];
  for (int64_t row = 0; row < num_rows; ++row) pointers[row] = rows + row * by.depth;
  for (int64_t column = 0; column < by.num_columns; column += CONV_PANEL)
    for (int64_t first = 0; first < num_rows; first += CONV_TILE_ROWS) {
      ConvTile tile{};
      tile.rows = pointers + first;
      tile.panel = by.panels + column * by.depth;
      tile.bias = by.bias + column;
      tile.to = to + first * by.num_columns + column;
      tile.num_taps = 1;
      tile.depth = by.depth;
      tile.num_rows = std::min<int64_t>(num_rows - first, CONV_TILE_ROWS);
      tile.num_columns = std::min<int64_t>(by.num_columns - column, CONV_PANEL);
      tile.to_stride = by.num_columns;
      tile.activation = activation;
      conv_tile()(&tile);
    }
}

// `count` frames of one stream from `first` on. `scratch` holds a chunk of both widths.
void run(const Block& of, const float* frames, const float* past, int64_t first, int64_t count, float* scratch, float* to) {
  std::vector<const float*> rows((size_t)of.num_taps);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t tap = 0; tap < of.num_taps; ++tap) {
      const int64_t at = first + i - (of.num_taps - 1 - tap) * of.dilation;
      rows[(size_t)tap] = at < 0 ? past + (of.num_past + at) * of.width : frames + at * of.width;
    }
    const CausalMix call{rows.data(), of.taps, of.norm, scratch + i * of.width, of.num_taps, of.width, of.epsilon};
    causal_mix()(&call);
  }
  float* const hidden = scratch + count * of.width;
  multiply(scratch, count, of.widen, CONV_GELU_TANH, hidden);
  multiply(hidden, count, of.narrow, CONV_NONE, to + first * of.width);
  causal_add()(frames + first * of.width, count * of.width, to + first * of.width);
}

// The last frames of the past and the piece together.
void keep(const Block& of, const float* frames, const float* past, float* to) {
  const int64_t from_past = std::max<int64_t>(of.num_past - of.num_frames, 0), from_piece = of.num_past - from_past;
  std::copy_n(past + from_piece * of.width, from_past * of.width, to);
  std::copy_n(frames + (of.num_frames - from_piece) * of.width, from_piece * of.width, to + from_past * of.width);
}

std::tuple<Tensor, Tensor> causal_block(const Tensor& frames, const Tensor& past, const Tensor& taps, const Tensor& norm,
                                        const Tensor& widen, const Tensor& widen_bias, const Tensor& narrow,
                                        const Tensor& narrow_bias, int64_t hidden, int64_t dilation, double epsilon) {
  STD_TORCH_CHECK(frames.dim() == 3 && past.dim() == 3 && taps.dim() == 2 && dilation >= 1 && hidden >= 1 && taps.size(0) >= 1 &&
                      frames.size(2) >= 1,
                  "frames and past must be (B, F, D), taps (taps, D)");
  const int64_t num_streams = frames.size(0), width = frames.size(2);
  Block of{};
  of.width = width, of.num_taps = taps.size(0), of.dilation = dilation, of.num_frames = frames.size(1);
  of.num_past = (of.num_taps - 1) * dilation, of.epsilon = (float)epsilon;
  const Tensor rows = torch::stable::contiguous(frames), before = torch::stable::contiguous(past);
  check(rows, num_streams * of.num_frames * width, "frames");
  check(before, num_streams * of.num_past * width, "past");
  check(taps, of.num_taps * width, "taps");
  check(norm, width, "norm");
  of.taps = data(taps), of.norm = data(norm);
  of.widen = matrix(widen, widen_bias, width, hidden, "widen");
  of.narrow = matrix(narrow, narrow_bias, hidden, width, "narrow");
  Tensor found = torch::stable::empty({num_streams, of.num_frames, width}, ScalarType::Float);
  Tensor next = torch::stable::empty({num_streams, of.num_past, width}, ScalarType::Float);
  float* const to = static_cast<float*>(found.mutable_data_ptr());
  float* const kept = static_cast<float*>(next.mutable_data_ptr());
  const int64_t piece = of.num_frames * width, memory = of.num_past * width, num_chunks = (of.num_frames + CHUNK - 1) / CHUNK;
  torch::stable::parallel_for(0, num_streams * num_chunks, 1, [&](int64_t job, int64_t end) {
    std::vector<float> scratch((size_t)(std::min(CHUNK, of.num_frames) * (width + hidden)));
    for (; job < end; ++job) {
      const int64_t stream = job / num_chunks, first = job % num_chunks * CHUNK;
      run(of, data(rows) + stream * piece, data(before) + stream * memory, first, std::min(CHUNK, of.num_frames - first),
          scratch.data(), to + stream * piece);
    }
  });
  for (int64_t stream = 0; stream < num_streams; ++stream)
    keep(of, data(rows) + stream * piece, data(before) + stream * memory, kept + stream * memory);
  return {found, next};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("causal_block", TORCH_BOX(&causal_block)); }
