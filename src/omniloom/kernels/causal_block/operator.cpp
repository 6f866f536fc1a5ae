// omniloom::causal_block on a CPU.
#include <tuple>

#include "block.h"

namespace {

std::tuple<Tensor, Tensor> causal_block(const Tensor& frames, const Tensor& past, const Tensor& taps, const Tensor& norm,
                                        const Tensor& widen, const Tensor& widen_bias, const Tensor& narrow,
                                        const Tensor& narrow_bias, int64_t hidden, int64_t dilation, double epsilon) {
  STD_TORCH_CHECK(frames.dim() == 3 && past.dim() == 3, "frames and past must be (B, F, D)");
  const int64_t num_streams = frames.size(0), num_frames = frames.size(1), width = frames.size(2);
  const Block of = block_of(taps, norm, widen, widen_bias, narrow, narrow_bias, width, hidden, dilation, epsilon);
  const int64_t num_past = (of.num_taps - 1) * dilation;
  const Tensor rows = torch::stable::contiguous(frames), before = torch::stable::contiguous(past);
  check(rows, num_streams * num_frames * width, "frames");
  check(before, num_streams * num_past * width, "past");
  Tensor found = floats({num_streams, num_frames, width}), next = floats({num_streams, num_past, width});
  run_block(of, data(rows), data(before), num_streams, num_frames, width, writable(found), writable(next));
  return {found, next};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("causal_block", TORCH_BOX(&causal_block)); }
