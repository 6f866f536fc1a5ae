// omniloom::sparse_matmul on a CPU: columns are cut into panels, and panels divided over threads. A panel's inputs are copied
// beside each other a block at a time, so that one block stays in the first cache while every output is summed. Where an
// input is used only a few times, it is read where it lies: rows of an image are pages apart, so that each read waits for the
// address of its page and rows evict each other from the cache, which from about 20 uses on costs more than the copy.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "../dispatch/dispatch.h"
#include "sparse_matmul.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

SparsePanel kernel_of(ScalarType dtype, int64_t block) {
  STD_TORCH_CHECK(block == 1 || block == 2 || block == 4, "blocks must be of 1, 2 or 4 outputs, got ", block);
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::BFloat16, "values must be float32 or bfloat16");
  if (dtype == ScalarType::Float) return block == 1 ? sparse_f32_1() : block == 2 ? sparse_f32_2() : sparse_f32_4();
  return block == 1 ? sparse_bf16_1() : block == 2 ? sparse_bf16_2() : sparse_bf16_4();
}

// Images of channels by places, or rows of channels; columns are counted over all images.
struct Columns {
  int64_t num_images, num_places, image_stride, channel_stride, place_stride;
  int64_t count() const { return num_images * num_places; }

  // Calls run(place in memory, column within the panel, count) for the columns of each image in [first, first + count).
  template <class Run>
  void each_run(int64_t first, int64_t count, const Run& run) const {
    for (int64_t done = 0; done < count;) {
      const int64_t image = (first + done) / num_places, place = (first + done) % num_places;
      const int64_t length = std::min(num_places - place, count - done);
      run(image * image_stride + place * place_stride, done, length);
      done += length;
    }
  }
};

// panel[channel][width columns] of the channels from `first_channel` on.
void gather(const float* from, const Columns& columns, int64_t first, int64_t count, int64_t first_channel, int64_t num_channels,
            float* panel, int64_t width) {
  if (count < width) memset(panel, 0, (size_t)(num_channels * width) * sizeof(float));
  columns.each_run(first, count, [&](int64_t place, int64_t at, int64_t length) {
    const float* const start = from + place + first_channel * columns.channel_stride;
    if (columns.place_stride == 1) {
      for (int64_t channel = 0; channel < num_channels; ++channel)
        memcpy(panel + channel * width + at, start + channel * columns.channel_stride, (size_t)length * sizeof(float));
    } else {
      for (int64_t i = 0; i < length; ++i)
        for (int64_t channel = 0; channel < num_channels; ++channel)
          panel[channel * width + at + i] = start[i * columns.place_stride + channel * columns.channel_stride];
    }
  });
}

void scatter(const float* sums, int64_t width, int64_t num_outputs, const Columns& columns, int64_t first, int64_t count,
             float* to) {
  columns.each_run(first, count, [&](int64_t place, int64_t at, int64_t length) {
    if (columns.place_stride == 1) {
      for (int64_t output = 0; output < num_outputs; ++output)
        memcpy(to + place + output * columns.channel_stride, sums + output * width + at, (size_t)length * sizeof(float));
    } else {
      for (int64_t i = 0; i < length; ++i)
        for (int64_t output = 0; output < num_outputs; ++output)
          to[place + i * columns.place_stride + output * columns.channel_stride] = sums[output * width + at + i];
    }
  });
}

Tensor whole(const Tensor& tensor) { return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor); }

// Uses of an input from which on its copy pays: layers at 20 uses were 1.04 times as fast read in place, those at 26 0.91 to
// 0.96 times.
constexpr int64_t FEW_USES = 20;

struct Weight {
  SparsePanel kernel;
  Tensor values, columns, starts, rows;
  int64_t num_inputs, num_outputs, block, num_fours, num_input_blocks, block_inputs, num_entries;
  bool reads_images;
  std::vector<float> bias;

  Weight(const Tensor& values_, const Tensor& columns_, const Tensor& starts_, const Tensor& rows_,
         const std::optional<Tensor>& bias_, int64_t num_inputs_, int64_t num_outputs_, int64_t block_inputs_)
      : values(whole(values_)), columns(whole(columns_)), starts(whole(starts_)), rows(whole(rows_)), num_inputs(num_inputs_),
        num_outputs(num_outputs_), block_inputs(block_inputs_) {
    STD_TORCH_CHECK(values.dim() == 2 && values.size(1) == SPARSE_OUTPUTS && columns.scalar_type() == ScalarType::Short &&
                        columns.dim() == 2 && columns.size(0) == values.size(0) && columns.size(1) > 0 &&
                        starts.scalar_type() == ScalarType::Int && rows.scalar_type() == ScalarType::Int && rows.dim() == 2 &&
                        block_inputs > 0,
                    "the weight must be packed by pack_sparse");
    num_entries = values.size(0), block = SPARSE_OUTPUTS / columns.size(1);
    num_input_blocks = rows.size(0), num_fours = rows.size(1) / columns.size(1);
    kernel = kernel_of(values.scalar_type(), block);
    STD_TORCH_CHECK(num_fours == (num_outputs + SPARSE_OUTPUTS - 1) / SPARSE_OUTPUTS &&
                        num_input_blocks == std::max<int64_t>(1, (num_inputs + block_inputs - 1) / block_inputs),
                    "the packed weight is not one of ", num_outputs, " outputs by ", num_inputs, " inputs");
    check_entries();
    reads_images = columns.numel() < FEW_USES * num_inputs;
    if (!bias_) return;
    STD_TORCH_CHECK(bias_->scalar_type() == ScalarType::Float && bias_->numel() == num_outputs, "bias must be ", num_outputs,
                    " numbers of float32");
    const Tensor numbers = whole(*bias_);
    bias.assign((size_t)(num_fours * SPARSE_OUTPUTS), 0.0f);
    if (num_outputs) memcpy(bias.data(), numbers.const_data_ptr(), (size_t)num_outputs * sizeof(float));
  }

  // Places that an entry names must exist, whoever made the tensors.
  void check_entries() const {
    const int32_t* const start = static_cast<const int32_t*>(starts.const_data_ptr());
    const int32_t* const row = static_cast<const int32_t*>(rows.const_data_ptr());
    const int64_t num_starts = num_fours * num_input_blocks, num_rows = num_fours * columns.size(1);
    bool fits = starts.numel() == num_starts + 1 && rows.size(1) == num_rows;
    fits = fits && start[0] == 0 && start[num_starts] == num_entries;
    uint32_t misfits = 0;  // no loop ends early, so that the compiler may use vectors: it runs on every call
    for (int64_t i = 0, count = fits ? num_starts : 0; i < count; ++i) misfits |= start[i] > start[i + 1];
    for (int64_t i = 0, count = fits ? num_rows * num_input_blocks : 0; i < count; ++i)
      misfits |= (uint32_t)row[i] >= (uint32_t)num_rows;
    fits = fits && !misfits;
    const uint16_t* const column = static_cast<const uint16_t*>(columns.const_data_ptr());
    fits = fits && (num_entries == 0 || sparse_largest()(column, columns.numel()) <= block_inputs);
    STD_TORCH_CHECK(fits, "the packed weight is damaged: pack it again");
  }

  SparseEntries entries(int64_t input_block, int64_t num_inputs_in_image) const {
    const int32_t* const start = static_cast<const int32_t*>(starts.const_data_ptr()) + input_block * num_fours;
    const int32_t* const row = static_cast<const int32_t*>(rows.const_data_ptr()) + input_block * rows.size(1);
    return {values.const_data_ptr(), static_cast<const uint16_t*>(columns.const_data_ptr()), start, row, num_fours,
            num_inputs_in_image};
  }
};

constexpr int64_t LINE_FLOATS = 16;

// Outputs of more bytes than this are not in the second cache, which holds 1 or 2 MB, when they are written.
constexpr int64_t FAR_BYTES = 1 << 20;

// Memory that begins with a cache line, so that no vector of a panel lies in two; nothing is written there before.
class Lines {
  struct alignas(64) Line {
    float values[LINE_FLOATS];
  };
  std::unique_ptr<Line[]> lines;
  int64_t held = 0;

 public:
  float* at_least(int64_t num_floats) {
    if (const int64_t wanted = (num_floats + LINE_FLOATS - 1) / LINE_FLOATS; wanted > held) {
      lines.reset(new Line[(size_t)wanted]);
      held = wanted;
    }
    return lines ? lines[0].values : nullptr;
  }
};

int64_t round_up(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

// Columns as panels of 64 and a few more, so that none is much narrower than the others; none of more than 96. All begin with
// a cache line, and the last one ends with the columns, or a few after.
struct Panels {
  static constexpr int64_t LINES = 4, MOST_LINES = 6;
  int64_t num_columns, num_lines, count;
  explicit Panels(int64_t columns) : num_columns(columns), num_lines((columns + LINE_FLOATS - 1) / LINE_FLOATS) {
    count = std::max((num_lines + MOST_LINES - 1) / MOST_LINES, num_lines / LINES);
  }
  int64_t first(int64_t panel) const { return panel * num_lines / count * LINE_FLOATS; }
  int64_t width(int64_t panel) const {
    return std::min(first(panel + 1), round_up(num_columns, SPARSE_COLUMNS)) - first(panel);
  }
};

// One panel of columns, a block of inputs at a time: read in the image, or copied, its rows beside each other and zeros after
// the last.
void multiply_panel(const Weight& weight, const float* from, const Columns& in, float* to, const Columns& out, int64_t first,
                    int64_t width, Lines& panel_lines, Lines& sum_lines) {
  const int64_t count = std::min(width, in.count() - first), image = first / in.num_places, place = first % in.num_places;
  const bool is_in_place = count == width && place + count <= in.num_places && out.place_stride == 1 &&
                           weight.num_outputs % SPARSE_OUTPUTS == 0;
  const bool is_image = count == width && place + count <= in.num_places && in.place_stride == 1 && weight.reads_images;
  const int64_t stride = round_up(width, LINE_FLOATS), panel_floats = (weight.block_inputs + 1) * stride;
  float* const panel = is_image ? nullptr : panel_lines.at_least(panel_floats);
  float* const sums = is_in_place ? nullptr : sum_lines.at_least(weight.num_fours * SPARSE_OUTPUTS * stride);
  float* const target = is_in_place ? to + image * out.image_stride + place : sums;
  const float* const bias = weight.bias.empty() ? nullptr : weight.bias.data();
  const bool is_far = is_in_place && weight.num_outputs * out.count() * (int64_t)sizeof(float) > FAR_BYTES;
  for (int64_t block = 0; block < weight.num_input_blocks; ++block) {
    const int64_t channel = block * weight.block_inputs, num_channels = std::min(weight.block_inputs, weight.num_inputs - channel);
    const int64_t target_stride = is_in_place ? out.channel_stride : stride;
    const SparseEntries entries = weight.entries(block, is_image ? num_channels : 0);
    if (is_image) {
      const float* const start = from + image * in.image_stride + channel * in.channel_stride + place;
      weight.kernel(&entries, start, in.channel_stride, width, bias, block > 0, target, target_stride, is_far);
      continue;
    }
    gather(from, in, first, count, channel, num_channels, panel, stride);
    std::fill(panel + num_channels * stride, panel + panel_floats, 0.0f);
    weight.kernel(&entries, panel, stride, width, bias, block > 0, target, target_stride, is_far);
  }
  if (!is_in_place) scatter(sums, stride, weight.num_outputs, out, first, count, to);
}

// A last panel that would end after the columns begins earlier instead, and the same thread computes the one before it: what
// they share is written twice, alike.
void multiply(const Weight& weight, const float* from, const Columns& in, float* to, const Columns& out) {
  const Panels panels(in.count());
  const int64_t work = 1 + weight.num_entries * SPARSE_OUTPUTS * 64;
  const int64_t last = panels.count - 1;
  const bool overlaps = last > 0 && in.count() % SPARSE_COLUMNS != 0 && out.place_stride == 1;
  torch::stable::parallel_for(0, panels.count - overlaps, 1 + 200000 / work, [&](int64_t begin, int64_t end) {
    Lines panel_lines, sum_lines;
    for (int64_t i = begin; i < (overlaps && end == last ? end + 1 : end); ++i) {
      const int64_t width = panels.width(i), first = overlaps && i == last ? in.count() - width : panels.first(i);
      multiply_panel(weight, from, in, to, out, first, width, panel_lines, sum_lines);
    }
  });
}

// How far apart places are in memory, over all their dimensions; -1 where that differs.
int64_t stride_of_places(const Tensor& input) {
  const auto sizes = input.sizes(), strides = input.strides();
  int64_t last = input.dim() - 1;
  while (last > 2 && sizes[last] == 1) --last;
  int64_t expected = strides[last];
  for (int64_t d = last; d >= 2; --d) {
    if (sizes[d] != 1 && strides[d] != expected) return -1;
    expected *= sizes[d];
  }
  return strides[last];
}

// A new tensor, past the dispatcher, whose search of `new_empty` by name costs a microsecond.
Tensor new_images(const Tensor& input, int64_t num_outputs, bool is_rows) {
  const int64_t dim = input.dim();
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end()), strides(shape.size());
  shape[1] = num_outputs;
  const int64_t num_channels = std::max<int64_t>(num_outputs, 1);
  int64_t stride = is_rows ? num_channels : 1;
  for (int64_t d = dim - 1; d >= 2; stride *= std::max<int64_t>(shape[d--], 1)) strides[d] = stride;
  strides[1] = is_rows ? 1 : stride;
  strides[0] = is_rows ? stride : stride * num_channels;
  AtenTensorHandle made;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(dim, shape.data(), strides.data(), aoti_torch_dtype_float32(),
                                                         aoti_torch_device_type_cpu(), 0, &made));
  return Tensor(made);
}

Tensor sparse_matmul(const Tensor& input, const Tensor& values, const Tensor& columns, const Tensor& starts, const Tensor& rows,
                     const std::optional<Tensor>& bias, int64_t num_outputs, int64_t block_inputs) {
  STD_TORCH_CHECK(input.dim() >= 3 && input.scalar_type() == ScalarType::Float,
                  "the input must be float32 of images by channels by places");
  const Weight weight(values, columns, starts, rows, bias, input.size(1), num_outputs, block_inputs);
  const int64_t place_stride = stride_of_places(input), num_images = input.size(0);
  const bool is_rows = input.size(1) > 1 && input.stride(1) == 1 && place_stride != 1 && place_stride != -1;
  const Tensor from = is_rows || place_stride == 1 ? input : torch::stable::contiguous(input);
  int64_t num_places = 1;
  for (int64_t d = 2; d < input.dim(); ++d) num_places *= input.size(d);
  const Columns in{num_images, num_places, from.stride(0), from.stride(1), is_rows ? place_stride : 1};
  const Tensor result = new_images(input, num_outputs, is_rows);
  const int64_t image_stride = in.num_places * num_outputs;
  const Columns out = is_rows ? Columns{in.num_images, in.num_places, image_stride, 1, num_outputs}
                              : Columns{in.num_images, in.num_places, image_stride, in.num_places, 1};
  if (in.count() * num_outputs)
    multiply(weight, static_cast<const float*>(from.const_data_ptr()), in, static_cast<float*>(result.mutable_data_ptr()), out);
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) { library.impl("sparse_matmul", TORCH_BOX(&sparse_matmul)); }
