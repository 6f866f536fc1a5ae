// omniloom::sample on a CPU: rows are divided over threads, each with its own parameters, seed and counter.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "draw.h"

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <class Number>
const Number* column(const Tensor& tensor, const char* name, ScalarType type, int64_t num_rows) {
  STD_TORCH_CHECK(tensor.scalar_type() == type && tensor.dim() == 1 && tensor.size(0) == num_rows &&
                      tensor.is_contiguous(),
                  "sample: ", name, " must be a contiguous row of ", num_rows, " numbers, ",
                  torch::headeronly::toString(type));
  return static_cast<const Number*>(tensor.const_data_ptr());
}

void check(const omniloom::Choice& choice, int64_t row) {
  STD_TORCH_CHECK(choice.temperature >= 0 && choice.temperature <= 1e6, "sample: the temperature of row ", row,
                  " must be from 0 (greedy) to 1e6, got ", choice.temperature);
  STD_TORCH_CHECK(choice.top_k >= 0, "sample: top_k of row ", row, " must be 0 (all) or more, got ", choice.top_k);
  STD_TORCH_CHECK(choice.top_p >= 0 && choice.top_p <= 1, "sample: top_p of row ", row,
                  " must be from 0 to 1 (all), got ", choice.top_p);
  STD_TORCH_CHECK(choice.min_p >= 0 && choice.min_p <= 1, "sample: min_p of row ", row,
                  " must be from 0 (all) to 1, got ", choice.min_p);
}

Tensor sample(const Tensor& logits, const Tensor& temperature, const Tensor& top_k, const Tensor& top_p,
              const Tensor& min_p, const Tensor& seed, const Tensor& counter) {
  STD_TORCH_CHECK(logits.dim() == 2 && logits.scalar_type() == ScalarType::Float,
                  "sample: logits must be float32 of two axes, rows and vocabulary");
  const int64_t num_rows = logits.size(0), count = logits.size(1);
  STD_TORCH_CHECK(count > 0 || num_rows == 0, "sample: the vocabulary is empty");
  const Tensor rows = logits.is_contiguous() ? logits : torch::stable::contiguous(logits);  // a call of torch costs 1 us
  const float* from = static_cast<const float*>(rows.const_data_ptr());
  const double* temperatures = column<double>(temperature, "temperature", ScalarType::Double, num_rows);
  const int64_t* top_ks = column<int64_t>(top_k, "top_k", ScalarType::Long, num_rows);
  const double* top_ps = column<double>(top_p, "top_p", ScalarType::Double, num_rows);
  const double* min_ps = column<double>(min_p, "min_p", ScalarType::Double, num_rows);
  const int64_t* seeds = column<int64_t>(seed, "seed", ScalarType::Long, num_rows);
  const int64_t* counters = column<int64_t>(counter, "counter", ScalarType::Long, num_rows);
  const auto choice_of = [&](int64_t i) {
    return omniloom::Choice{temperatures[i], top_ks[i],           top_ps[i],
                            min_ps[i],       (uint64_t)seeds[i], (uint64_t)counters[i]};
  };
  for (int64_t i = 0; i < num_rows; ++i) check(choice_of(i), i);
  const Tensor tokens = torch::stable::new_empty(rows, {num_rows}, ScalarType::Long);
  int64_t* to = static_cast<int64_t*>(tokens.mutable_data_ptr());
  torch::stable::parallel_for(0, num_rows, (1 << 15) / (count + 1) + 1, [&](int64_t begin, int64_t end) {
    omniloom::Workspace space;
    for (int64_t i = begin; i < end; ++i) to[i] = omniloom::draw(from + i * count, count, choice_of(i), &space);
  });
  for (int64_t i = 0; i < num_rows; ++i)
    STD_TORCH_CHECK(to[i] != omniloom::NO_TOKEN, "sample: row ", i,
                    " offers no token: all of its logits are minus infinity, or one is NaN or infinite");
  return tokens;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("sample", TORCH_BOX(&sample)); }
