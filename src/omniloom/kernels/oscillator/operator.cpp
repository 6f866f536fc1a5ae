// omniloom::oscillate on a CPU: the clock goes over all hops first, then each hop is made by itself, divided over threads
// where there are many, and last they are added up in order.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "../convolution/convolution.h"
#include "../dispatch/dispatch.h"
#include "oscillator.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL
OMNILOOM_TABLE(conv_tile, ConvTileKernel)

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t CHUNK = CONV_TILE_ROWS;  // of hops
constexpr int64_t BINS = OSCILLATOR_BINS, SAMPLES = OSCILLATOR_SAMPLES, FILTERS = 3 * BINS;

template <class Number>
const Number* data(const Tensor& tensor) {
  return static_cast<const Number*>(tensor.const_data_ptr());
}

template <class Number>
Number* writable(Tensor& tensor) {
  return static_cast<Number*>(tensor.mutable_data_ptr());
}

Tensor adjacent(const Tensor& tensor, ScalarType dtype, int64_t count, const char* name) {
  STD_TORCH_CHECK(tensor.is_cpu() && tensor.scalar_type() == dtype && tensor.numel() == count, name, " must be ", count,
                  " numbers of the expected type on the CPU, got ", tensor.numel());
  return torch::stable::contiguous(tensor);
}

struct Place {
  uint32_t phase, step;
};

// Each hop's phase and step: over the hops of a frame its step is reached from that of the frame before.
struct Clock {
  std::vector<Place> hops;
  Tensor phase, step;

  Clock(const Tensor& pitches, const Tensor& pitch_steps, const std::optional<Tensor>& phases, const std::optional<Tensor>& befores,
        int64_t hop, int64_t hops_per_frame)
      : phase(torch::stable::new_empty(pitches, {pitches.size(0)})), step(torch::stable::new_empty(pitches, {pitches.size(0)})) {
    const int64_t num_frames = pitches.size(1), num_pitches = pitch_steps.numel();
    hops.reserve((size_t)(pitches.size(0) * num_frames * hops_per_frame));
    for (int64_t stream = 0; stream < pitches.size(0); ++stream) {
      uint32_t at = phases ? (uint32_t)data<int64_t>(*phases)[stream] : 0;
      int64_t before = befores ? data<int64_t>(*befores)[stream] : 0;
      for (int64_t frame = 0; frame < num_frames; ++frame) {
        const int64_t pitch = data<int64_t>(pitches)[stream * num_frames + frame];
        STD_TORCH_CHECK(pitch >= 0 && pitch < num_pitches, "a pitch must be from 0 to ", num_pitches - 1, ", got ", pitch);
        const int64_t after = checked(data<int64_t>(pitch_steps)[pitch]);
        before = checked(frame == 0 && !befores ? after : before);
        for (int64_t share = 1; share <= hops_per_frame; ++share) {
          const int64_t part = (after - before) * share;
          const uint32_t of_hop = (uint32_t)(before + part / hops_per_frame - (part % hops_per_frame < 0));
          hops.push_back({at, of_hop});
          at += of_hop * (uint32_t)hop;
        }
        before = after;
      }
      writable<int64_t>(phase)[stream] = at;
      writable<int64_t>(step)[stream] = before;
    }
  }

  static int64_t checked(int64_t step) {
    STD_TORCH_CHECK(step >= 1 && step <= INT32_MAX, "a step must be from 1 to 2^31 - 1, got ", step);
    return step;
  }
};

// A filter's numbers for each of its bands, in panels.
struct Filter {
  const float* panels;
  int64_t num_bands, num_columns;

  Filter(const Tensor& given, int64_t num_bands, int64_t num_columns) : num_bands(num_bands), num_columns(num_columns) {
    const int64_t padded = (num_columns + CONV_PANEL - 1) / CONV_PANEL * CONV_PANEL;
    STD_TORCH_CHECK(given.is_cpu() && given.scalar_type() == ScalarType::Float && given.is_contiguous() &&
                        given.numel() == padded * num_bands,
                    "a filter must be packed for ", num_bands, " bands and ", num_columns, " columns, got ", given.numel());
    panels = data<float>(given);
  }

  void apply(const float* bands, int64_t num_rows, int64_t stride, float* to) const {
    for (int64_t column = 0; column < num_columns; column += CONV_PANEL) {
      ConvTile tile{};
      tile.from = bands;
      tile.from_stride = stride;
      tile.panel = panels + column * num_bands;
      tile.to = to + column;
      tile.to_stride = FILTERS;
      tile.num_taps = 1;
      tile.depth = num_bands;
      tile.num_rows = num_rows;
      tile.num_columns = std::min<int64_t>(num_columns - column, CONV_PANEL);
      conv_tile()(&tile);
    }
  }
};

struct Sources {
  const float *bands, *window, *noises;
  int64_t num_hops, window_size, first_noise, num_noises;
  Filter pulse, noise;
};

// At most CHUNK hops, from hop `first` of all streams together.
void run_chunk(const Sources& of, const std::vector<Place>& places, int64_t first, int64_t count, float* to) {
  float filters[CHUNK * FILTERS];
  const int64_t stride = 2 * of.pulse.num_bands;
  of.pulse.apply(of.bands + first * stride, count, stride, filters);
  of.noise.apply(of.bands + first * stride + of.pulse.num_bands, count, stride, filters + 2 * BINS);
  for (int64_t i = 0; i < count; ++i) {
    const Place& place = places[(size_t)(first + i)];
    const int64_t noise = (of.first_noise + (first + i) % of.num_hops) % of.num_noises;
    const float* const filter = filters + i * FILTERS;
    const OscillatorHop hop{place.phase, place.step, of.window, of.window_size, of.noises + noise * 2 * BINS,
                            filter, filter + BINS, filter + 2 * BINS, to + (first + i) * SAMPLES};
    oscillator_hop()(&hop);
  }
}

// A hop's samples, and what windows that began before it reach into it; after the last hop, what they reach beyond it.
void add_up(const float* windows, const float* before, int64_t num_hops, int64_t hop, float* samples, float* after) {
  const int64_t over = SAMPLES - hop;
  std::vector<float> total((size_t)(num_hops * hop + over));
  if (before) std::copy_n(before, over, total.data());
  for (int64_t i = 0; i < num_hops; ++i)
    for (int64_t at = 0; at < SAMPLES; ++at) total[(size_t)(i * hop + at)] += windows[i * SAMPLES + at];
  std::copy_n(total.data(), num_hops * hop, samples);
  std::copy_n(total.data() + num_hops * hop, over, after);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> oscillate(const Tensor& bands, const Tensor& pitches, const std::optional<Tensor>& phase,
                                                     const std::optional<Tensor>& step, const std::optional<Tensor>& overhang,
                                                     int64_t first_noise, const Tensor& pitch_steps, const Tensor& window,
                                                     const Tensor& noises, const Tensor& pulse_filter, const Tensor& noise_filter,
                                                     int64_t hop, int64_t hops_per_frame) {
  STD_TORCH_CHECK(bands.dim() == 3 && pitches.dim() == 2 && noises.dim() == 3 && noises.size(0) > 0 && first_noise >= 0 && hop >= 1 &&
                      hop <= SAMPLES && hops_per_frame >= 1 && bands.size(2) % 2 == 0 && window.numel() <= SAMPLES &&
                      bands.size(1) == pitches.size(1) * hops_per_frame,
                  "bands must be (B, hops, 2 bands), pitches (B, frames), noises (noises, bins, 2), and hop and window at most ",
                  SAMPLES);
  const int64_t num_streams = bands.size(0), num_hops = bands.size(1), num_bands = bands.size(2) / 2, over = SAMPLES - hop;
  const Tensor rows = adjacent(bands, ScalarType::Float, num_streams * num_hops * 2 * num_bands, "bands");
  const Tensor of_frames = adjacent(pitches, ScalarType::Long, num_streams * pitches.size(1), "pitches");
  const Tensor steps = adjacent(pitch_steps, ScalarType::Long, pitch_steps.numel(), "pitch_steps");
  const Tensor shape = adjacent(window, ScalarType::Float, window.numel(), "window");
  const Tensor spectra = adjacent(noises, ScalarType::Float, noises.size(0) * 2 * BINS, "noises");
  std::optional<Tensor> phases, befores, before;
  if (phase) phases = adjacent(*phase, ScalarType::Long, num_streams, "phase");
  if (step) befores = adjacent(*step, ScalarType::Long, num_streams, "step");
  if (overhang) before = adjacent(*overhang, ScalarType::Float, num_streams * over, "overhang");
  Clock clock(of_frames, steps, phases, befores, hop, hops_per_frame);
  const Sources of{data<float>(rows), data<float>(shape), data<float>(spectra), num_hops, shape.numel(), first_noise, noises.size(0),
                   Filter(pulse_filter, num_bands, 2 * BINS), Filter(noise_filter, num_bands, BINS)};
  std::vector<float> windows((size_t)(num_streams * num_hops * SAMPLES));
  torch::stable::parallel_for(0, num_streams * num_hops, 4 * CHUNK, [&](int64_t at, int64_t end) {
    for (; at < end; at += CHUNK) run_chunk(of, clock.hops, at, std::min(CHUNK, end - at), windows.data());
  });
  Tensor samples = torch::stable::new_empty(rows, {num_streams, num_hops * hop});
  Tensor after = torch::stable::new_empty(rows, {num_streams, over});
  for (int64_t i = 0; i < num_streams; ++i)
    add_up(windows.data() + i * num_hops * SAMPLES, before ? data<float>(*before) + i * over : nullptr, num_hops, hop,
           writable<float>(samples) + i * num_hops * hop, writable<float>(after) + i * over);
  return {samples, clock.phase, clock.step, after};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("oscillate", TORCH_BOX(&oscillate)); }
