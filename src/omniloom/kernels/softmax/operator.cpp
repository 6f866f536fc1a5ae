// omniloom::softmax on a CPU: rows are divided over threads.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "../dispatch/dispatch.h"
#include "softmax.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"

namespace {

using torch::stable::Tensor;

Tensor softmax(const Tensor& input) {
  const Tensor rows = torch::stable::contiguous(input);
  Tensor result = torch::stable::empty_like(rows);
  const int64_t count = rows.size(-1), num_rows = count ? rows.numel() / count : 0;
  const float* from = static_cast<const float*>(rows.const_data_ptr());
  float* to = static_cast<float*>(result.mutable_data_ptr());
  const SoftmaxRow row = softmax_three_pass();
  torch::stable::parallel_for(0, num_rows, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) row(from + i * count, to + i * count, count);
  });
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("softmax", TORCH_BOX(&softmax)); }
