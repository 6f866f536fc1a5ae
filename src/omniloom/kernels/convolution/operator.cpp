// omniloom::conv and omniloom::conv_stream on a CPU: checks, layouts, the choice of an algorithm, threads.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <string>
#include <tuple>

#include "../dispatch/dispatch.h"
#include "depthwise_planes.h"
#include "winograd_blocks.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
typedef std::vector<int64_t> Integers;

const float* data(const Tensor& tensor) { return static_cast<const float*>(tensor.const_data_ptr()); }

ConvActivation activation_named(const std::string& name) {
  static const char* const names[] = {"none", "relu", "silu", "gelu", "gelu_tanh", "elu"};
  for (int32_t i = 0; i < 6; ++i)
    if (name == names[i]) return static_cast<ConvActivation>(i);
  STD_TORCH_CHECK(false, "activation must be one of none, relu, silu, gelu, gelu_tanh and elu, got ", name);
}

void check_floats(const Tensor& tensor, const char* name) {
  STD_TORCH_CHECK(tensor.scalar_type() == ScalarType::Float && tensor.is_cpu(), name,
                  " must be a float32 tensor on the CPU");
}

// Written from one end to the other, large ones in large pages: a first touch of a page of 4 KB can take longer than
// computing what is put there.
Tensor fresh(const Integers& sizes) {
  Tensor found = torch::stable::empty(sizes, ScalarType::Float);
  omniloom_prefer_large_pages(found.mutable_data_ptr(), found.numel() * sizeof(float));
  return found;
}

const float* zeros(int64_t count, std::vector<float>& more) {
  alignas(64) static const float some[4096] = {};
  if (count <= 4096) return some;
  more.assign(count, 0.f);
  return more.data();
}

// (images, channels, pixels) as (images, pixels, channels) or back, an image at a time.
void turn(const float* from, float* to, int64_t num_images, int64_t rows, int64_t columns) {
  const ConvTranspose transpose = conv_transpose();
  const int64_t strips = (rows + 63) / 64;
  torch::stable::parallel_for(0, num_images * strips, 4, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t row = i % strips * 64, image = i / strips * rows * columns;
      transpose(from + image + row * columns, columns, to + image + row, rows, rows - row < 64 ? rows - row : 64,
                columns);
    }
  });
}

// By pointers to rows, or, where the input is a matrix, without.
void run_direct(const ConvGeometry& of, const ConvWeights& weights, bool has_pointers, float* to) {
  const ConvTileKernel kernel = conv_tile();
  const int64_t num_threads = torch::stable::get_num_threads(), panels = of.panels_per_group();
  const ConvChunks chunks = chunks_of(of, num_threads);
  const int64_t whole = chunks.count() * of.groups;
  int64_t splits = whole < num_threads ? (num_threads + whole - 1) / whole : 1;  // of a group's panels
  splits = splits < panels ? splits : panels;
  torch::stable::parallel_for(0, whole * splits, 1, [&](int64_t first, int64_t last) {
    std::vector<const float*> pointers(has_pointers ? chunks.rows * of.num_taps() : 0);
    for (int64_t job = first; job < last; ++job) {
      const int64_t split = job % splits, group = job / splits % of.groups, chunk = job / splits / of.groups;
      convolve_chunk(of, weights, kernel, chunks, chunk, group, panels * split / splits, panels * (split + 1) / splits,
                     has_pointers ? pointers.data() : nullptr, to);
    }
  });
}

void run_im2col(const ConvGeometry& of, const ConvWeights& weights, float* to) {
  STD_TORCH_CHECK(of.groups == 1, "im2col is for one group, got ", of.groups);
  if (is_matrix(of)) return run_direct(of, weights, false, to);
  Tensor patches = fresh({of.num_pixels(), of.num_taps() * of.depth()});
  run_direct(as_patches(of, 0, static_cast<float*>(patches.mutable_data_ptr())), weights, false, to);
}

void run_depthwise(const ConvGeometry& of, const ConvWeights& weights, float* to) {
  const ConvDepthwiseKernel kernel = conv_depthwise();
  torch::stable::parallel_for(0, of.num_images * of.height_out, 1, [&](int64_t first, int64_t last) {
    DepthwiseTaps taps{std::vector<const float*>(of.num_taps()), std::vector<const float*>(of.num_taps())};
    for (int64_t i = first; i < last; ++i)
      convolve_row(of, weights, kernel, i / of.height_out, i % of.height_out, taps, to);
  });
}

void run_depthwise_planes(const ConvGeometry& of, const ConvWeights& weights, const float* from, float* to) {
  const ConvDepthwiseKernel kernel = conv_depthwise();
  const ConvTranspose transpose = conv_transpose();
  const DepthwiseBands bands(of);
  torch::stable::parallel_for(0, bands.count(), 1, [&](int64_t first, int64_t last) {
    DepthwiseScratch scratch(of);
    for (int64_t i = first; i < last; ++i)
      convolve_band(of, weights, bands.band(i), kernel, transpose, from, scratch, to);
  });
}

WinogradPlan winograd_plan(int64_t side) {
  return {side, side == 2 ? conv_winograd_input_2() : conv_winograd_input_4(),
          side == 2 ? conv_winograd_output_2() : conv_winograd_output_4(), conv_tile()};
}

void run_winograd(const ConvGeometry& of, const ConvWeights& weights, int64_t side, float* to) {
  const WinogradPlan plan = winograd_plan(side);
  const int64_t block = tiles_in_block(plan, of, torch::stable::get_num_threads()), num_tiles = plan.num_tiles(of);
  torch::stable::parallel_for(0, (num_tiles + block - 1) / block, 1, [&](int64_t first, int64_t last) {
    const WinogradScratch scratch(plan, of, block);
    for (int64_t i = first; i < last; ++i) {
      const int64_t tile = i * block, count = num_tiles - tile < block ? num_tiles - tile : block;
      convolve_block(plan, of, weights, tile, count, scratch, to);
    }
  });
}

// The panels hold all that is asked for, or reading them would leave them.
void check_weights(const ConvGeometry& of, const Tensor& panels, const Tensor& bias, bool is_depthwise) {
  const int64_t num_panels = of.groups * of.panels_per_group();
  const int64_t wanted =
      is_depthwise ? of.num_taps() * of.channels_in : num_panels * of.num_taps() * of.depth() * CONV_PANEL;
  const int64_t biases = is_depthwise ? of.channels_in : num_panels * CONV_PANEL;
  STD_TORCH_CHECK(panels.numel() == wanted && bias.numel() == biases && panels.is_contiguous() && bias.is_contiguous(),
                  "packed weights do not fit this convolution; make them by omniloom.kernels.prepack");
  check_floats(panels, "packed weights");
  check_floats(bias, "bias");
}

bool is_depthwise(const ConvGeometry& of) {
  return of.groups == of.channels_in && of.groups == of.channels_out && of.groups > 1;
}

const float* winograd_weights(const ConvGeometry& of, const std::optional<Tensor>& weights, int64_t side) {
  STD_TORCH_CHECK(
      weights && weights->numel() == (side + 2) * (side + 2) * of.panels_per_group() * of.channels_in * CONV_PANEL &&
          weights->is_contiguous() && of.num_taps() == 9,
      "this convolution has no weights packed for winograd", side);
  check_floats(*weights, "packed weights");
  return data(*weights);
}

void run(const ConvGeometry& of, const ConvWeights& weights, const std::optional<Tensor>& two,
         const std::optional<Tensor>& four, const std::string& algorithm, float* to) {
  if (of.num_pixels() == 0 || of.channels_out == 0) return;
  if (is_depthwise(of)) return run_depthwise(of, weights, to);
  if (algorithm == "im2col") return run_im2col(of, weights, to);
  int64_t side = algorithm == "winograd2" ? 2 : algorithm == "winograd4" ? 4 : 0;
  if (algorithm == "auto") side = winograd_side(of, two.has_value(), four.has_value());
  if (side == 0) return run_direct(of, weights, algorithm == "indirect" || !is_matrix(of), to);
  ConvWeights transformed = weights;
  transformed.panels = winograd_weights(of, side == 2 ? two : four, side);
  run_winograd(of, transformed, side, to);
}

int64_t num_steps(int64_t size, int64_t padding, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t room = size + padding - (kernel - 1) * dilation - 1;
  return room < 0 ? 0 : room / stride + 1;
}

// A sound's lists have half the numbers of an image's: the rest is that of height 1.
ConvGeometry geometry_of(const Tensor& input, const Integers& kernel, const Integers& stride, const Integers& padding,
                         const Integers& dilation, int64_t groups, int64_t channels) {
  check_floats(input, "input");
  const size_t num_axes = kernel.size();
  STD_TORCH_CHECK(input.dim() == (int64_t)num_axes + 2 && (num_axes == 1 || num_axes == 2) &&
                      stride.size() == num_axes && dilation.size() == num_axes && padding.size() == 2 * num_axes,
                  "input must have as many axes after its channels as the kernel, got ", input.dim() - 2, " and ",
                  num_axes);
  const bool is_image = num_axes == 2;
  const auto [top, bottom] = is_image ? std::pair(padding[0], padding[2]) : std::pair<int64_t, int64_t>(0, 0);
  const auto [left, right] = is_image ? std::pair(padding[1], padding[3]) : std::pair(padding[0], padding[1]);
  ConvGeometry of{};
  of.num_images = input.size(0);
  of.channels_in = input.size(1);
  of.height = is_image ? input.size(2) : 1;
  of.width = input.size(num_axes + 1);
  of.kernel_height = is_image ? kernel[0] : 1;
  of.kernel_width = kernel.back();
  of.stride_height = is_image ? stride[0] : 1;
  of.stride_width = stride.back();
  of.dilation_height = is_image ? dilation[0] : 1;
  of.dilation_width = dilation.back();
  of.top = top;
  of.left = left;
  of.groups = groups;
  of.channels_out = channels;
  STD_TORCH_CHECK(
      groups > 0 && channels % groups == 0 && of.channels_in % groups == 0 && of.kernel_height > 0 &&
          of.kernel_width > 0 && of.stride_height > 0 && of.stride_width > 0 && of.dilation_height > 0 &&
          of.dilation_width > 0 && top >= 0 && left >= 0 && bottom >= 0 && right >= 0,
      "no convolution: groups must divide the channels, and no size may be below one or padding below zero");
  of.height_out = num_steps(of.height, top + bottom, of.kernel_height, of.stride_height, of.dilation_height);
  of.width_out = num_steps(of.width, left + right, of.kernel_width, of.stride_width, of.dilation_width);
  return of;
}

// As (images, channels, pixels) or, where an image was given, (images, channels, height, width).
Tensor as_planes(const ConvGeometry& of, const Tensor& planes, bool is_image) {
  if (is_image) return torch::stable::view(planes, {of.num_images, of.channels_out, of.height_out, of.width_out});
  return torch::stable::view(planes, {of.num_images, of.channels_out, of.width_out});
}

// Torch's own layout in and out, of which only a piece at a time is turned.
Tensor conv_planes(ConvGeometry& of, const Tensor& input, const ConvWeights& weights) {
  const Tensor planes = torch::stable::contiguous(input);
  Tensor found = fresh({of.num_images, of.channels_out, of.height_out, of.width_out});
  if (of.num_pixels() > 0)
    run_depthwise_planes(of, weights, data(planes), static_cast<float*>(found.mutable_data_ptr()));
  return as_planes(of, found, input.dim() == 4);
}

// Where each pixel's channels are adjacent: the input itself, or a copy.
Tensor with_rows(ConvGeometry& of, const Tensor& input) {
  const bool is_image = input.dim() == 4, has_rows = input.stride(1) == 1 || of.channels_in == 1;
  const int64_t num_pixels = of.height * of.width;
  Tensor rows = input;
  if (has_rows) {
    of.image_stride = input.stride(0);
    of.row_stride = is_image ? input.stride(2) : 0;
    of.pixel_stride = input.stride(input.dim() - 1);
  } else {
    const Tensor planes = torch::stable::contiguous(input);
    rows = fresh({of.num_images, num_pixels, of.channels_in});
    turn(data(planes), static_cast<float*>(rows.mutable_data_ptr()), of.num_images, of.channels_in, num_pixels);
    of.image_stride = num_pixels * of.channels_in;
    of.row_stride = of.width * of.channels_in;
    of.pixel_stride = of.channels_in;
  }
  of.from = data(rows);
  return rows;
}

Tensor conv(const Tensor& input, const Tensor& panels, const Tensor& bias, std::optional<Tensor> two,
            std::optional<Tensor> four, Integers kernel, Integers stride, Integers padding, Integers dilation,
            int64_t groups, int64_t channels, std::string activation, std::string algorithm) {
  ConvGeometry of = geometry_of(input, kernel, stride, padding, dilation, groups, channels);
  check_weights(of, panels, bias, is_depthwise(of));
  const bool is_image = input.dim() == 4, gives_rows = input.stride(1) == 1 && !input.is_contiguous();
  const int64_t num_pixels = of.height_out * of.width_out;
  std::vector<float> more_zeros;
  of.zero = zeros(of.channels_in, more_zeros);
  const ConvWeights weights{data(panels), data(bias), activation_named(activation)};
  if (is_depthwise(of) && input.stride(1) != 1) return conv_planes(of, input, weights);
  const Tensor rows = with_rows(of, input);
  Tensor found = fresh({of.num_images, of.height_out, of.width_out, channels});
  run(of, weights, two, four, algorithm, static_cast<float*>(found.mutable_data_ptr()));
  if (!gives_rows && channels > 1 && num_pixels > 1) {
    Tensor planes = fresh({of.num_images, channels, of.height_out, of.width_out});
    turn(data(found), static_cast<float*>(planes.mutable_data_ptr()), of.num_images, num_pixels, channels);
    return as_planes(of, planes, is_image);
  }
  if (!gives_rows) return as_planes(of, found, is_image);
  if (!is_image)
    return torch::stable::transpose(torch::stable::view(found, {of.num_images, of.width_out, channels}), 1, 2);
  return torch::stable::transpose(torch::stable::transpose(found, 1, 3), 2, 3);
}

// What the next piece needs: the last frames of the past and this piece together.
Tensor next_past(const Tensor& frames, const Tensor& past) {
  const int64_t streams = past.size(0), num_past = past.size(1), width = past.size(2), num_frames = frames.size(1);
  Tensor next = torch::stable::empty({streams, num_past, width}, ScalarType::Float);
  float* to = static_cast<float*>(next.mutable_data_ptr());
  const int64_t kept = num_frames < num_past ? num_past - num_frames : 0, row = width * sizeof(float);
  for (int64_t i = 0; i < streams; ++i, to += num_past * width) {
    // A tensor without elements has no address, and memcpy takes none, not even for nothing.
    if (kept) memcpy(to, data(past) + ((i + 1) * num_past - kept) * width, kept * row);
    const int64_t taken = num_past - kept;
    if (taken) memcpy(to + kept * width, data(frames) + ((i + 1) * num_frames - taken) * width, taken * row);
  }
  return next;
}

std::tuple<Tensor, Tensor> conv_stream(const Tensor& frames, const Tensor& past, const Tensor& panels,
                                       const Tensor& bias, int64_t taps, int64_t stride, int64_t dilation,
                                       int64_t groups, int64_t channels, std::string activation) {
  check_floats(frames, "frames");
  check_floats(past, "past");
  STD_TORCH_CHECK(frames.dim() == 3 && past.dim() == 3 && past.size(0) == frames.size(0) &&
                      past.size(2) == frames.size(2) && past.size(1) == (taps - 1) * dilation + 1 - stride &&
                      frames.size(1) % stride == 0,
                  "past must have (taps - 1) * dilation + 1 - stride frames, and frames a multiple of the stride");
  const Tensor rows = torch::stable::contiguous(frames), before = torch::stable::contiguous(past);
  ConvGeometry of = geometry_of(torch::stable::transpose(rows, 1, 2), {taps}, {stride}, {past.size(1), 0}, {dilation},
                                groups, channels);
  check_weights(of, panels, bias, is_depthwise(of));
  std::vector<float> more_zeros;
  of.zero = zeros(of.channels_in, more_zeros);
  of.from = data(rows);
  of.past = data(before);
  of.past_stride = past.size(1) * of.channels_in;
  of.image_stride = of.width * of.channels_in;
  of.pixel_stride = of.channels_in;
  Tensor found = torch::stable::empty({of.num_images, of.width_out, channels}, ScalarType::Float);
  const ConvWeights weights{data(panels), data(bias), activation_named(activation)};
  run(of, weights, std::nullopt, std::nullopt, "indirect", static_cast<float*>(found.mutable_data_ptr()));
  return {found, next_past(rows, before)};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) {
  library.impl("conv", TORCH_BOX(&conv));
  library.impl("conv_stream", TORCH_BOX(&conv_stream));
}
