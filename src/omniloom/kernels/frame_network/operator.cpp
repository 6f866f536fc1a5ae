// omniloom::frame_network on a CPU: a few frames at a time go through the whole network, divided over threads.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <vector>

#include "../dispatch/dispatch.h"
#include "frame_network.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr size_t BLOCK_WEIGHTS = 6;
constexpr int64_t GRAIN = 4;  // calls of FRAME_ROWS

const float* weights_of(const Tensor& tensor, int64_t count, const char* name) {
  STD_TORCH_CHECK(tensor.scalar_type() == ScalarType::Float && tensor.is_cpu() && tensor.is_contiguous() && tensor.numel() == count,
                  name, " must be ", count, " adjacent numbers of float32 on the CPU, got ", tensor.numel());
  return static_cast<const float*>(tensor.const_data_ptr());
}

FrameMatrix matrix(const Tensor& panels, const Tensor& bias, int64_t depth, int64_t num_columns, const char* name) {
  STD_TORCH_CHECK(depth >= 1 && num_columns >= 1, "a layer of ", depth, " to ", num_columns, " is none");
  FrameMatrix found{nullptr, nullptr, depth, num_columns};
  found.panels = weights_of(panels, found.padded() * depth, name);
  found.bias = weights_of(bias, found.padded(), name);
  return found;
}

Tensor run_frames(const Tensor& frames, std::vector<Tensor> weights, std::vector<int64_t> widths, double epsilon) {
  STD_TORCH_CHECK(widths.size() >= 2 && weights.size() == 4 + BLOCK_WEIGHTS * (widths.size() - 2) && frames.dim() >= 1,
                  "there must be two widths, and one a block between them, with 6 weights each and 4 more, got ", widths.size(),
                  " and ", weights.size());
  const int64_t depth = frames.size(frames.dim() - 1), width = widths.front(), num_channels = widths.back();
  STD_TORCH_CHECK(frames.is_cpu() && frames.scalar_type() == ScalarType::Double, "frames must be float64 on the CPU");
  FrameCall of{};
  of.epsilon = epsilon;
  of.into = matrix(weights[0], weights[1], depth, width, "into");
  of.widest = of.into.padded();
  std::vector<FrameBlock> blocks;
  for (size_t i = 1; i + 1 < widths.size(); ++i) {
    const Tensor* const given = weights.data() + 2 + (i - 1) * BLOCK_WEIGHTS;
    blocks.push_back({weights_of(given[0], width, "tap"), weights_of(given[1], width, "norm"),
                      matrix(given[2], given[3], width, widths[i], "widen"), matrix(given[4], given[5], widths[i], width, "narrow")});
    of.widest = std::max(of.widest, blocks.back().widen.padded());
  }
  of.blocks = blocks.data(), of.num_blocks = (int64_t)blocks.size();
  of.out = matrix(weights[weights.size() - 2], weights.back(), width, num_channels, "out");
  of.widest = std::max(of.widest, of.out.padded());
  const Tensor rows = torch::stable::contiguous(frames);
  const int64_t num_rows = rows.numel() / depth, num_calls = (num_rows + FRAME_ROWS - 1) / FRAME_ROWS;
  Tensor found = torch::stable::empty({num_rows, num_channels}, ScalarType::Double);
  const double* const from = static_cast<const double*>(rows.const_data_ptr());
  double* const to = static_cast<double*>(found.mutable_data_ptr());
  torch::stable::parallel_for(0, num_calls, GRAIN, [&](int64_t at, int64_t end) {
    std::vector<double> scratch((size_t)(FRAME_ROWS * (2 * of.into.padded() + of.widest)));
    FrameCall call = of;
    call.scratch = scratch.data();
    for (; at < end; ++at) {
      call.num_rows = std::min<int64_t>(FRAME_ROWS, num_rows - at * FRAME_ROWS);
      call.from = from + at * FRAME_ROWS * depth, call.to = to + at * FRAME_ROWS * num_channels;
      frame_network()(&call);
    }
  });
  return found;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("frame_network", TORCH_BOX(&run_frames)); }
