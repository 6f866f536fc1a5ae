// omniloom::causal_stack on a CPU: one layer after another over the whole piece, with nothing allocated between them but rows.
#include <optional>
#include <tuple>

#include "block.h"

namespace {

using Tensors = std::vector<Tensor>;

// As causal_stack's `layers` has them, LAYER_NUMBERS each.
struct Layer {
  int64_t is_block, channels, taps, dilation, spread;
};
constexpr size_t LAYER_NUMBERS = 5, BLOCK_WEIGHTS = 6, CONV_WEIGHTS = 2;

std::vector<Layer> layers_of(const std::vector<int64_t>& numbers) {
  STD_TORCH_CHECK(numbers.size() % LAYER_NUMBERS == 0, "layers must have ", LAYER_NUMBERS, " numbers each, got ", numbers.size());
  std::vector<Layer> found;
  for (size_t i = 0; i < numbers.size(); i += LAYER_NUMBERS) {
    const Layer layer{numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3], numbers[i + 4]};
    STD_TORCH_CHECK(layer.channels >= 1 && layer.taps >= 1 && layer.dilation >= 1 && layer.spread >= 1 &&
                        layer.channels % layer.spread == 0 && !(layer.is_block && layer.spread > 1),
                    "layer ", i / LAYER_NUMBERS, " is none: see kernels.causal_block.stack");
    found.push_back(layer);
  }
  return found;
}

// Where a piece stands between two layers.
struct Rows {
  std::vector<float> memory;
  int64_t num_frames, width;
};

// Takes what a call was given one after the other.
struct Given {
  const Tensors& tensors;
  size_t next = 0;

  const Tensor& take(const char* what) {
    STD_TORCH_CHECK(next < tensors.size(), "there are too few ", what, " for these layers, got ", tensors.size());
    return tensors[next++];
  }
};

struct Stack {
  int64_t num_streams;
  double epsilon;
  Given weights, pasts;
  Tensors after;

  // What the last piece left to a layer; zeros where this piece is the first.
  Tensor past(int64_t num_past, int64_t width) {
    if (pasts.tensors.empty()) return torch::stable::new_zeros(weights.tensors[0], {num_streams, num_past, width});
    const Tensor found = torch::stable::contiguous(pasts.take("pasts"));
    check(found, num_streams * num_past * width, "past");
    return found;
  }

  void block(const Layer& layer, Rows& rows) {
    const Tensor* given[BLOCK_WEIGHTS];
    for (const Tensor*& weight : given) weight = &weights.take("weights");
    const Block of = block_of(*given[0], *given[1], *given[2], *given[3], *given[4], *given[5], rows.width, layer.channels,
                              layer.dilation, epsilon);
    STD_TORCH_CHECK(of.num_taps == layer.taps, "taps must be ", layer.taps, ", got ", of.num_taps);
    const int64_t num_past = (layer.taps - 1) * layer.dilation;
    const Tensor before = past(num_past, rows.width);
    Tensor next = floats({num_streams, num_past, rows.width});
    std::vector<float> found(rows.memory.size());
    run_block(of, rows.memory.data(), data(before), num_streams, rows.num_frames, rows.width, found.data(), writable(next));
    rows.memory.swap(found);
    after.push_back(next);
  }

  void convolution(const Layer& layer, Rows& rows) {
    const Tensor& panels = weights.take("weights");
    const Matrix by = matrix(panels, weights.take("weights"), layer.taps, rows.width, layer.channels, "panels");
    const int64_t num_past = (layer.taps - 1) * layer.dilation, width = rows.width, piece = rows.num_frames * width;
    std::optional<Tensor> before;
    if (num_past > 0) before = past(num_past, width);
    std::vector<float> found((size_t)(num_streams * rows.num_frames * layer.channels));
    const auto stream_at = [&](int64_t i) {
      return Frames{rows.memory.data() + i * piece, before ? data(*before) + i * num_past * width : nullptr, width, num_past};
    };
    for_chunks(num_streams, rows.num_frames, [&](int64_t stream, int64_t first, int64_t count) {
      multiply(stream_at(stream), first, count, by, layer.dilation, CONV_NONE,
               found.data() + (stream * rows.num_frames + first) * layer.channels);
    });
    if (before) {
      after.push_back(floats({num_streams, num_past, width}));
      for (int64_t i = 0; i < num_streams; ++i) keep(stream_at(i), rows.num_frames, writable(after.back()) + i * num_past * width);
    }
    rows.memory.swap(found);
    rows.num_frames *= layer.spread, rows.width = layer.channels / layer.spread;
  }
};

std::tuple<Tensor, Tensors> causal_stack(const Tensor& frames, Tensors pasts, Tensors weights, std::vector<int64_t> layers,
                                         double epsilon, std::vector<double> bounds) {
  STD_TORCH_CHECK(frames.dim() == 3 && (bounds.empty() || bounds.size() == 4) && !weights.empty(),
                  "frames must be (B, F, D), bounds none or 4, and weights some");
  const Tensor given = torch::stable::contiguous(frames);
  const int64_t num_streams = frames.size(0);
  check(given, num_streams * frames.size(1) * frames.size(2), "frames");
  Stack stack{num_streams, epsilon, {weights}, {pasts}, {}};
  Rows rows{{data(given), data(given) + given.numel()}, frames.size(1), frames.size(2)};
  for (const Layer& layer : layers_of(layers)) layer.is_block ? stack.block(layer, rows) : stack.convolution(layer, rows);
  STD_TORCH_CHECK(stack.weights.next == weights.size() && (pasts.empty() || stack.pasts.next == pasts.size()),
                  "there are more weights or pasts than these layers have, got ", weights.size(), " and ", pasts.size());
  Tensor found = floats({num_streams, rows.num_frames, rows.width});
  const int64_t count = (int64_t)rows.memory.size();
  if (bounds.empty()) {
    std::copy_n(rows.memory.data(), count, writable(found));
  } else {
    const CausalBound call{rows.memory.data(), writable(found), count, (float)bounds[0], (float)bounds[1], (float)bounds[2],
                           (float)bounds[3]};
    causal_bound()(&call);
  }
  return {found, stack.after};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("causal_stack", TORCH_BOX(&causal_stack)); }
