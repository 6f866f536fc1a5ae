// omniloom::pulse_windows, filter_sources and overlap_add on a CPU. Sounds of one stream are short; rows are divided over
// threads only where there are many.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "../dispatch/dispatch.h"
#include "oscillator.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t GRAIN = 64;  // hops

template <class Number>
const Number* data(const Tensor& tensor) {
  return static_cast<const Number*>(tensor.const_data_ptr());
}

Tensor adjacent(const Tensor& tensor, ScalarType dtype, int64_t count, const char* name) {
  STD_TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == dtype && tensor.numel() == count, name, " must be ", count,
                  " numbers of the expected type on the CPU, got ", tensor.numel());
  return torch::stable::contiguous(tensor);
}

void check_step(int64_t step) {
  STD_TORCH_CHECK(step >= 1 && step <= INT32_MAX, "a step must be from 1 to 2^31 - 1, got ", step);
}

std::tuple<Tensor, Tensor> pulse_windows(const Tensor& steps, const Tensor& phase, const Tensor& step, const Tensor& window,
                                         int64_t hop, int64_t hops_per_frame) {
  STD_TORCH_CHECK(steps.dim() == 2 && hop >= 1 && hops_per_frame >= 1, "steps must be (B, F), and a frame have hops");
  const int64_t num_streams = steps.size(0), num_frames = steps.size(1), num_hops = num_frames * hops_per_frame;
  const Tensor of_frames = adjacent(steps, ScalarType::Long, num_streams * num_frames, "steps");
  const Tensor phases = adjacent(phase, ScalarType::Long, num_streams, "phase");
  const Tensor befores = adjacent(step, ScalarType::Long, num_streams, "step");
  const Tensor shape = adjacent(window, ScalarType::Float, window.numel(), "window");
  const int64_t width = shape.numel();
  for (int64_t i = 0; i < num_streams * num_frames; ++i) check_step(data<int64_t>(of_frames)[i]);
  for (int64_t i = 0; i < num_streams; ++i) check_step(data<int64_t>(befores)[i]);
  Tensor found = torch::stable::new_empty(shape, {num_streams, num_hops, width});
  Tensor ends = torch::stable::new_empty(phases, {num_streams});
  float* const to = static_cast<float*>(found.mutable_data_ptr());
  torch::stable::parallel_for(0, num_streams, 1 + GRAIN / (1 + num_hops), [&](int64_t stream, int64_t end) {
    for (; stream < end; ++stream) {
      uint32_t at = (uint32_t)data<int64_t>(phases)[stream];
      int64_t before = data<int64_t>(befores)[stream];
      for (int64_t frame = 0; frame < num_frames; ++frame) {
        const int64_t after = data<int64_t>(of_frames)[stream * num_frames + frame];
        for (int64_t share = 1; share <= hops_per_frame; ++share) {
          const int64_t part = (after - before) * share;
          const int64_t of_hop = before + part / hops_per_frame - (part % hops_per_frame < 0);
          const int64_t row = stream * num_hops + frame * hops_per_frame + share - 1;
          pulse_window()(at, (uint32_t)of_hop, data<float>(shape), width, to + row * width);
          at += (uint32_t)(of_hop * hop);
        }
        before = after;
      }
      static_cast<int64_t*>(ends.mutable_data_ptr())[stream] = at;
    }
  });
  return {found, ends};
}

Tensor filter_rows(const Tensor& pulses, const Tensor& noises, int64_t first_noise, const Tensor& pulse_filter,
                   const Tensor& noise_filter) {
  STD_TORCH_CHECK(pulses.dim() == 3 && noises.dim() == 2 && noises.size(0) > 0 && noises.size(1) == pulses.size(2) && first_noise >= 0,
                  "pulses must be (B, hops, bins), and noises (noises, bins)");
  const int64_t num_rows = pulses.size(0) * pulses.size(1), num_hops = pulses.size(1), bins = pulses.size(2);
  const Tensor of_pulses = adjacent(pulses, ScalarType::ComplexFloat, num_rows * bins, "pulses");
  const Tensor of_noises = adjacent(noises, ScalarType::ComplexFloat, noises.size(0) * bins, "noises");
  const Tensor filters = adjacent(pulse_filter, ScalarType::Float, 2 * num_rows * bins, "pulse_filter");
  const Tensor noise_filters = adjacent(noise_filter, ScalarType::Float, num_rows * bins, "noise_filter");
  Tensor found = torch::stable::new_empty(of_pulses, {pulses.size(0), num_hops, bins});
  float* const to = static_cast<float*>(found.mutable_data_ptr());
  torch::stable::parallel_for(0, num_rows, GRAIN, [&](int64_t row, int64_t end) {
    for (; row < end; ++row) {
      const int64_t noise = (first_noise + row % num_hops) % noises.size(0);
      const float* const filter = data<float>(filters) + 2 * row * bins;
      const FilterCall call{data<float>(of_pulses) + 2 * row * bins, data<float>(of_noises) + 2 * noise * bins, filter,
                            filter + bins, data<float>(noise_filters) + row * bins, to + 2 * row * bins, bins};
      filter_sources()(&call);
    }
  });
  return found;
}

// A hop's samples, and what windows that began before it reach into it.
std::tuple<Tensor, Tensor> overlap_add(const Tensor& windows, const std::optional<Tensor>& overhang, int64_t hop) {
  STD_TORCH_CHECK(windows.dim() == 3 && hop >= 1 && windows.size(2) % hop == 0 && windows.size(2) >= hop,
                  "windows must be (B, hops, samples), whole hops each");
  const int64_t num_streams = windows.size(0), num_hops = windows.size(1), width = windows.size(2), over = width - hop;
  const Tensor from = adjacent(windows, ScalarType::Float, num_streams * num_hops * width, "windows");
  std::optional<Tensor> before;
  if (overhang) before = adjacent(*overhang, ScalarType::Float, num_streams * over, "overhang");
  Tensor samples = torch::stable::new_empty(from, {num_streams, num_hops * hop});
  Tensor after = torch::stable::new_empty(from, {num_streams, over});
  const int64_t length = num_hops * hop + over;
  std::vector<float> total((size_t)length);
  for (int64_t stream = 0; stream < num_streams; ++stream) {
    std::fill(total.begin(), total.end(), 0.0f);
    if (before) std::copy_n(data<float>(*before) + stream * over, over, total.data());
    for (int64_t i = 0; i < num_hops; ++i) {
      const float* const window = data<float>(from) + (stream * num_hops + i) * width;
      for (int64_t at = 0; at < width; ++at) total[(size_t)(i * hop + at)] += window[at];
    }
    std::copy_n(total.data(), num_hops * hop, static_cast<float*>(samples.mutable_data_ptr()) + stream * num_hops * hop);
    std::copy_n(total.data() + num_hops * hop, over, static_cast<float*>(after.mutable_data_ptr()) + stream * over);
  }
  return {samples, after};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) {
  library.impl("pulse_windows", TORCH_BOX(&pulse_windows));
  library.impl("filter_sources", TORCH_BOX(&filter_rows));
  library.impl("overlap_add", TORCH_BOX(&overlap_add));
}
