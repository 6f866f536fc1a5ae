// omniloom::look_up_codes on a CPU.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

Tensor adjacent(const Tensor& tensor, ScalarType dtype, const char* name) {
  STD_TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == dtype, name, " must be on the CPU, and of the expected type");
  return torch::stable::contiguous(tensor);
}

std::tuple<Tensor, Tensor> look_up_codes(const Tensor& codes, const Tensor& values, const Tensor& octaves, int64_t steps_per_octave,
                                         int64_t num_pitches) {
  STD_TORCH_CHECK(codes.dim() == 3 && values.dim() == 2 && octaves.dim() == 2 && octaves.size(0) == codes.size(2) &&
                      octaves.size(1) == values.size(0) && num_pitches >= 1,
                  "codes must be (B, F, Q), values (codes, C), octaves (Q, codes)");
  const Tensor of_codes = adjacent(codes, ScalarType::Long, "codes"), of_values = adjacent(values, ScalarType::Float, "values");
  const Tensor of_octaves = adjacent(octaves, ScalarType::Double, "octaves");
  const int64_t num_frames = codes.size(0) * codes.size(1), num_books = codes.size(2), num_codes = values.size(0);
  const int64_t num_channels = values.size(1);
  Tensor rows = torch::stable::new_empty(of_values, {codes.size(0), codes.size(1), num_books * num_channels});
  Tensor pitches = torch::stable::new_empty(of_codes, {codes.size(0), codes.size(1)});
  const int64_t* code = static_cast<const int64_t*>(of_codes.const_data_ptr());
  const float* const table = static_cast<const float*>(of_values.const_data_ptr());
  const double* const shares = static_cast<const double*>(of_octaves.const_data_ptr());
  float* to = static_cast<float*>(rows.mutable_data_ptr());
  int64_t* const pitch = static_cast<int64_t*>(pitches.mutable_data_ptr());
  for (int64_t frame = 0; frame < num_frames; ++frame) {
    double sum = 0;
    for (int64_t book = 0; book < num_books; ++book, ++code, to += num_channels) {
      STD_TORCH_CHECK(*code >= 0 && *code < num_codes, "codes must lie in 0..", num_codes - 1, ", got ", *code);
      std::copy_n(table + *code * num_channels, num_channels, to);
      sum += shares[book * num_codes + *code];
    }
    const double index = std::nearbyint(sum * (double)steps_per_octave);
    pitch[frame] = (int64_t)std::clamp(index, 0.0, (double)(num_pitches - 1));
  }
  return {rows, pitches};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("look_up_codes", TORCH_BOX(&look_up_codes)); }
