// omniloom::softmax_topk and select_largest on a CPU: rows are divided over threads.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <tuple>

#include "row.h"

namespace {

using omniloom::Workspace;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Places of masked numbers, the first ones, where the row has too few others.
void fill_with_masked(const float* from, int64_t count, int64_t num_found, int64_t k, float value, float* values,
                      int64_t* places) {
  for (int64_t place = 0; num_found < k && place < count; ++place) {
    if (from[place] != -INFINITY) continue;
    values[num_found] = value;
    places[num_found++] = place;
  }
}

void softmax_topk_row(const float* from, int64_t count, int64_t k, float* values, int64_t* places, Workspace* space) {
  omniloom::read_row(from, count, 1.0f, k, true, space);
  const std::vector<uint64_t>& keys = space->keys;
  const float largest = keys.empty() ? -INFINITY : number_of(keys[0]);
  const double total = omniloom::sum_of_row(largest, 1.0f, space);
  if (!(total > 0 && total < INFINITY)) {  // NaN as torch has it, in places that are as good as any
    for (int64_t i = 0; i < k; ++i) values[i] = NAN, places[i] = i;
    return;
  }
  const int64_t num_found = (int64_t)keys.size();
  const float* weights =
      omniloom::weights_of_keys(keys.data(), num_found, {largest, 1.0f, -INFINITY, -INFINITY}, space);
  for (int64_t i = 0; i < num_found; ++i) values[i] = (float)(weights[i] / total), places[i] = place_of(keys[i]);
  fill_with_masked(from, count, num_found, k, 0.0f, values, places);
}

void select_row_largest(const float* from, int64_t count, int64_t k, float* values, int64_t* places,
                        Workspace* space) {
  omniloom::read_row(from, count, 1.0f, k, false, space);
  const int64_t num_found = (int64_t)space->keys.size();
  for (int64_t i = 0; i < num_found; ++i) {
    values[i] = number_of(space->keys[i]);
    places[i] = place_of(space->keys[i]);
  }
  fill_with_masked(from, count, num_found, k, -INFINITY, values, places);
}

template <class EachRow>
std::tuple<Tensor, Tensor> over_rows(const Tensor& input, int64_t k, const EachRow& each) {
  STD_TORCH_CHECK(input.scalar_type() == ScalarType::Float, "top-k takes float32, got ",
                  torch::headeronly::toString(input.scalar_type()), "; convert it with .float()");
  STD_TORCH_CHECK(input.dim() > 0, "top-k takes rows, got a single number");
  const int64_t count = input.size(-1);
  STD_TORCH_CHECK(k >= 1 && k <= count, "k must be from 1 to the row's length ", count, ", got ", k);
  const Tensor rows = torch::stable::contiguous(input);
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end());
  shape.back() = k;
  const Tensor values = torch::stable::new_empty(rows, shape);
  const Tensor places = torch::stable::new_empty(rows, shape, ScalarType::Long);
  const float* from = static_cast<const float*>(rows.const_data_ptr());
  float* to = static_cast<float*>(values.mutable_data_ptr());
  int64_t* at = static_cast<int64_t*>(places.mutable_data_ptr());
  torch::stable::parallel_for(0, rows.numel() / count, (1 << 15) / count + 1, [&](int64_t begin, int64_t end) {
    Workspace space;
    for (int64_t i = begin; i < end; ++i) each(from + i * count, count, k, to + i * k, at + i * k, &space);
  });
  return {values, places};
}

std::tuple<Tensor, Tensor> softmax_topk(const Tensor& input, int64_t k) { return over_rows(input, k, softmax_topk_row); }

std::tuple<Tensor, Tensor> select_largest(const Tensor& input, int64_t k) {
  return over_rows(input, k, select_row_largest);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) {
  library.impl("softmax_topk", TORCH_BOX(&softmax_topk));
  library.impl("select_largest", TORCH_BOX(&select_largest));
}
