// omniloom::linear, int8_matmul, int8_linear, int8_linear_shift and quantize_rows on a CPU: rows are put into tiles, tiles
// times panels are divided over threads, and what a tile sums is finished: scaled, with a bias, or shifted.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstring>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../dispatch/dispatch.h"
#include "linear.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

#if defined(__x86_64__)
extern "C" {
extern const LinearTile omniloom_linear_bf16_pairs_avx512_bf16;
extern const LinearTile omniloom_linear_int8_pairs_avx512_bf16;
extern const LinearTile omniloom_int8_matmul_avx512_vnni;
}
#endif

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Null where the processor does not multiply pairs of bfloat16, or another instruction set is forced.
LinearTile bf16_pairs(ScalarType weight) {
#if defined(__x86_64__)
  if (omniloom_isa == OMNILOOM_AVX512 && __builtin_cpu_supports("avx512bf16"))
    return weight == ScalarType::BFloat16 ? omniloom_linear_bf16_pairs_avx512_bf16
           : weight == ScalarType::Char   ? omniloom_linear_int8_pairs_avx512_bf16
                                          : nullptr;
#endif
  return nullptr;
}

LinearTile int8_products() {
#if defined(__x86_64__)
  if (omniloom_isa == OMNILOOM_AVX512 && __builtin_cpu_supports("avx512vnni")) return omniloom_int8_matmul_avx512_vnni;
#endif
  return int8_matmul();
}

// A product: rows of K inputs times a packed weight of N outputs.
struct Product {
  int64_t num_rows, num_inputs, num_outputs, num_groups, num_panels;
  int64_t num_tiles, tile_rows;  // rows are divided evenly over tiles
  const char* panels;

  Product(const Tensor& input, const Tensor& weight, int64_t outputs) {
    STD_TORCH_CHECK(input.dim() >= 1 && weight.dim() == 4 && weight.size(2) == LINEAR_PANEL,
                    "the weight must be packed by pack_linear and the input have at least one dimension");
    num_inputs = input.size(-1), num_outputs = outputs, num_panels = weight.size(0), num_groups = weight.size(1);
    const int64_t group = weight.size(3);
    STD_TORCH_CHECK((num_inputs + group - 1) / group == num_groups, "the input has ", num_inputs,
                    " columns, but the packed weight has ", num_groups, " groups of ", group, " inputs");
    STD_TORCH_CHECK(outputs >= 0 && (outputs + LINEAR_PANEL - 1) / LINEAR_PANEL == num_panels, "num_outputs is ", outputs,
                    ", but the packed weight has ", num_panels, " panels of ", (int64_t)LINEAR_PANEL);
    STD_TORCH_CHECK(weight.is_contiguous(), "the packed weight must be contiguous");
    panels = static_cast<const char*>(weight.const_data_ptr());
    num_rows = 1;
    for (int64_t i = 0; i + 1 < input.dim(); ++i) num_rows *= input.size(i);
    num_tiles = (num_rows + LINEAR_MAX_ROWS - 1) / LINEAR_MAX_ROWS;
    tile_rows = num_tiles ? (num_rows + num_tiles - 1) / num_tiles : 0;
    num_tiles = tile_rows ? (num_rows + tile_rows - 1) / tile_rows : 0;
  }

  int64_t rows_of(int64_t tile) const {
    const int64_t left = num_rows - tile * tile_rows;
    return left < tile_rows ? left : tile_rows;
  }
};

// How rows become words: elements a word, and one word of them. A word that is only partly there is filled up with zeros.
struct FloatWords {
  typedef float Element;
  static constexpr int64_t ELEMENTS = 1;
  static uint32_t word(const Element* from) {
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    return bits;
  }
};
struct BFloat16Words {
  typedef uint16_t Element;
  static constexpr int64_t ELEMENTS = 1;
  static uint32_t word(const Element* from) { return (uint32_t)*from << 16; }
};
struct PairWords {
  typedef uint16_t Element;
  static constexpr int64_t ELEMENTS = 2;
  static uint32_t word(const Element* from) { return from[0] | (uint32_t)from[1] << 16; }
};
template <uint32_t FLIPPED>
struct QuadWords {
  typedef uint8_t Element;
  static constexpr int64_t ELEMENTS = 4;
  static uint32_t word(const Element* from) {
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    return bits ^ FLIPPED;
  }
};

// One tile's rows, transposed a cache line of each at a time.
template <class Words>
void transpose(const typename Words::Element* from, int64_t row_stride, int64_t num_rows, uint32_t* to, int64_t num_words) {
  constexpr int64_t BLOCK = 16;
  const int64_t whole = row_stride / Words::ELEMENTS, rest = row_stride % Words::ELEMENTS;
  for (int64_t block = 0; block < whole; block += BLOCK)
    for (int64_t row = 0; row < num_rows; ++row)
      for (int64_t at = block; at < whole && at < block + BLOCK; ++at)
        to[at * num_rows + row] = Words::word(from + row * row_stride + at * Words::ELEMENTS);
  for (int64_t at = whole; at < num_words; ++at)
    for (int64_t row = 0; row < num_rows; ++row) {
      typename Words::Element last[4] = {};
      if (at == whole) memcpy(last, from + row * row_stride + at * Words::ELEMENTS, (size_t)rest * sizeof last[0]);
      to[at * num_rows + row] = Words::word(last);
    }
}

// The rows of each tile transposed: words[word][row].
template <class Words>
Tensor words_of(const Tensor& input, const Product& product, int64_t num_words) {
  const Tensor rows = torch::stable::contiguous(input);
  Tensor result = torch::stable::new_empty(rows, {product.num_tiles * product.tile_rows, num_words}, ScalarType::Int);
  uint32_t* const words = static_cast<uint32_t*>(result.mutable_data_ptr());
  const auto* const from = static_cast<const typename Words::Element*>(rows.const_data_ptr());
  const int64_t grain = 1 + 65536 / (1 + num_words * product.tile_rows);
  torch::stable::parallel_for(0, product.num_tiles, grain, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile)
      transpose<Words>(from + tile * product.tile_rows * product.num_inputs, product.num_inputs, product.rows_of(tile),
                       words + tile * product.tile_rows * num_words, num_words);
  });
  return result;
}

// What is known of each output, or of each row: one number for all of them, or one each; nothing where there is no tensor.
template <class Number>
struct Numbers {
  std::optional<Tensor> held;
  const Number* values = nullptr;
  bool is_one = false;

  Numbers() = default;
  Numbers(const std::optional<Tensor>& tensor, int64_t count, const char* name) {
    if (!tensor) return;
    const ScalarType wanted = std::is_same_v<Number, float> ? ScalarType::Float : ScalarType::Int;
    STD_TORCH_CHECK(tensor->scalar_type() == wanted && (tensor->numel() == 1 || tensor->numel() == count), name, " must be 1 or ",
                    count, " numbers of ", std::is_same_v<Number, float> ? "float32" : "int32", ", got ", tensor->numel());
    held = torch::stable::contiguous(*tensor);
    values = static_cast<const Number*>(held->const_data_ptr());
    is_one = tensor->numel() == 1;
  }
  // Copies `count` of them from `first` on; null if there are none.
  const Number* copy(int64_t first, int64_t count, Number* to) const {
    if (!values) return nullptr;
    for (int64_t i = 0; i < count; ++i) to[i] = values[is_one ? 0 : first + i];
    return to;
  }
};

struct Finish {
  LinearFinishTile kernel;
  Numbers<float> row_scales, scales, bias;
  Numbers<int32_t> column_sums, integer_bias, shifts;
  uint32_t shift = 0;  // of the zero point: what a column sum is taken times
};

// One panel's numbers, padded with zeros.
struct PanelFinish : LinearFinish {
  float row_numbers[LINEAR_MAX_ROWS] = {}, scale_numbers[LINEAR_PANEL] = {}, bias_numbers[LINEAR_PANEL] = {};
  int32_t integer_bias_numbers[LINEAR_PANEL] = {}, shift_numbers[LINEAR_PANEL] = {}, sums[LINEAR_PANEL] = {};
  uint32_t correction_numbers[LINEAR_PANEL];

  PanelFinish(const Finish& from, int64_t first, int64_t count) {
    row_scales = nullptr;
    scales = from.scales.copy(first, count, scale_numbers);
    bias = from.bias.copy(first, count, bias_numbers);
    from.integer_bias.copy(first, count, integer_bias_numbers);
    from.shifts.copy(first, count, shift_numbers);
    integer_bias = integer_bias_numbers, shifts = shift_numbers;
    corrections = from.column_sums.copy(first, count, sums) ? correction_numbers : nullptr;
    for (int i = 0; i < LINEAR_PANEL; ++i) correction_numbers[i] = (uint32_t)sums[i] * from.shift;
  }
};

// Every tile times every panel, finished into a new tensor.
Tensor multiply(const Tensor& input, const Product& product, const Tensor& words, LinearTile kernel, const Finish& finish,
                ScalarType dtype) {
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end());
  shape.back() = product.num_outputs;
  Tensor result = torch::stable::new_empty(input, shape, dtype);
  char* const out = static_cast<char*>(result.mutable_data_ptr());
  const uint32_t* const x = static_cast<const uint32_t*>(words.const_data_ptr());
  const int64_t element = result.element_size(), num_words = words.size(1), panel_bytes = product.num_groups * LINEAR_PANEL * 4;
  const int64_t num_items = product.num_panels * product.num_tiles;
  const int64_t grain = 1 + 32768 / (1 + product.num_groups * LINEAR_PANEL * product.tile_rows);
  torch::stable::parallel_for(0, num_items, grain, [&](int64_t item, int64_t end) {
    alignas(64) uint32_t sums[LINEAR_MAX_ROWS * LINEAR_PANEL];
    while (item < end) {
      const int64_t panel = item / product.num_tiles, output = panel * LINEAR_PANEL;
      const int64_t left = product.num_outputs - output, count = left < LINEAR_PANEL ? left : LINEAR_PANEL;
      PanelFinish numbers(finish, output, count);
      for (; item < end && item / product.num_tiles == panel; ++item) {
        const int64_t tile = item % product.num_tiles, rows = product.rows_of(tile), row = tile * product.tile_rows;
        numbers.row_scales = finish.row_scales.copy(row, rows, numbers.row_numbers);
        kernel(x + row * num_words, rows, rows, product.panels + panel * panel_bytes, product.num_groups, sums);
        finish.kernel(sums, rows, count, &numbers, out + (row * product.num_outputs + output) * element, product.num_outputs);
      }
    }
  });
  return result;
}

LinearFinishTile finish_as(ScalarType dtype) { return dtype == ScalarType::Float ? linear_to_f32() : linear_to_bf16(); }

Tensor linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& scales, const std::optional<Tensor>& bias,
              int64_t num_outputs) {
  const Product product(input, weight, num_outputs);
  const ScalarType from = input.scalar_type(), packed = weight.scalar_type();
  STD_TORCH_CHECK(from == ScalarType::Float || from == ScalarType::BFloat16, "the input must be float32 or bfloat16");
  const int64_t group = weight.size(3);
  Finish finish{finish_as(from)};
  finish.scales = Numbers<float>(scales, num_outputs, "scales");
  finish.bias = Numbers<float>(bias, num_outputs, "bias");
  if (const LinearTile pairs = from == ScalarType::BFloat16 ? bf16_pairs(packed) : nullptr)
    return multiply(input, product, words_of<PairWords>(input, product, product.num_groups * group / 2), pairs, finish, from);
  const int64_t num_words = product.num_groups * group;
  const LinearTile kernel = group == 1 ? linear_f32() : group == 2 ? linear_bf16() : linear_int8();
  const Tensor words = from == ScalarType::Float ? words_of<FloatWords>(input, product, num_words)
                                                 : words_of<BFloat16Words>(input, product, num_words);
  return multiply(input, product, words, kernel, finish, from);
}

// The common part of int8 products: bytes become uint8, which together with the zero point adds to every sum.
Tensor int8_product(const Tensor& input, const Tensor& weight, const Tensor& column_sums, int64_t zero_point, int64_t num_outputs,
                    Finish& finish, ScalarType dtype) {
  const Product product(input, weight, num_outputs);
  const bool is_signed = input.scalar_type() == ScalarType::Char;
  STD_TORCH_CHECK(is_signed || input.scalar_type() == ScalarType::Byte, "the input must be int8 or uint8");
  STD_TORCH_CHECK(weight.scalar_type() == ScalarType::Char, "the weight must be packed from int8");
  STD_TORCH_CHECK(column_sums.numel() == num_outputs, "column_sums must be ", num_outputs, " numbers, got ", column_sums.numel());
  finish.column_sums = Numbers<int32_t>(column_sums, num_outputs, "column_sums");
  finish.shift = (uint32_t)(zero_point + (is_signed ? 128 : 0));
  const Tensor words = is_signed ? words_of<QuadWords<0x80808080u>>(input, product, product.num_groups)
                                 : words_of<QuadWords<0>>(input, product, product.num_groups);
  return multiply(input, product, words, int8_products(), finish, dtype);
}

Tensor int8_sums(const Tensor& input, const Tensor& weight, const Tensor& column_sums, int64_t zero_point, int64_t num_outputs) {
  Finish finish{int8_to_int32()};
  return int8_product(input, weight, column_sums, zero_point, num_outputs, finish, ScalarType::Int);
}

Tensor int8_linear(const Tensor& input, const Tensor& weight, const Tensor& column_sums, int64_t zero_point,
                   const Tensor& input_scale, const Tensor& scales, const std::optional<Tensor>& bias, int64_t num_outputs,
                   ScalarType dtype) {
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::BFloat16, "dtype must be float32 or bfloat16");
  Finish finish{finish_as(dtype)};
  const int64_t num_rows = input.dim() && input.size(-1) ? input.numel() / input.size(-1) : input_scale.numel();
  finish.row_scales = Numbers<float>(input_scale, num_rows, "input_scale");
  finish.scales = Numbers<float>(scales, num_outputs, "scales");
  finish.bias = Numbers<float>(bias, num_outputs, "bias");
  return int8_product(input, weight, column_sums, zero_point, num_outputs, finish, dtype);
}

Tensor int8_linear_shift(const Tensor& input, const Tensor& weight, const Tensor& column_sums, int64_t zero_point,
                         const std::optional<Tensor>& bias, const Tensor& shifts, int64_t num_outputs) {
  Finish finish{int8_to_int8()};
  finish.integer_bias = Numbers<int32_t>(bias, num_outputs, "bias");
  finish.shifts = Numbers<int32_t>(shifts, num_outputs, "shifts");
  for (int64_t i = 0; i < shifts.numel(); ++i)
    STD_TORCH_CHECK(finish.shifts.values[i] >= 0 && finish.shifts.values[i] <= 31, "a shift must be from 0 to 31, got ",
                    finish.shifts.values[i]);
  return int8_product(input, weight, column_sums, zero_point, num_outputs, finish, ScalarType::Char);
}

std::tuple<Tensor, Tensor> quantize_rows(const Tensor& input) {
  const ScalarType from = input.scalar_type();
  STD_TORCH_CHECK(input.dim() >= 1 && (from == ScalarType::Float || from == ScalarType::BFloat16),
                  "the input must be rows of float32 or bfloat16");
  const Tensor rows = torch::stable::contiguous(input);
  const int64_t count = rows.size(-1), row_bytes = count * rows.element_size();
  std::vector<int64_t> shape(rows.sizes().begin(), rows.sizes().end());
  Tensor integers = torch::stable::new_empty(rows, shape, ScalarType::Char);
  int64_t num_rows = 1;
  for (int64_t i = 0; i + 1 < rows.dim(); ++i) num_rows *= rows.size(i);
  Tensor scales = torch::stable::new_empty(rows, {num_rows}, ScalarType::Float);
  const char* const in = static_cast<const char*>(rows.const_data_ptr());
  int8_t* const out = static_cast<int8_t*>(integers.mutable_data_ptr());
  float* const scale = static_cast<float*>(scales.mutable_data_ptr());
  const QuantizeRow kernel = from == ScalarType::Float ? quantize_f32() : quantize_bf16();
  torch::stable::parallel_for(0, num_rows, 1 + 65536 / (1 + count), [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) kernel(in + row * row_bytes, count, out + row * count, scale + row);
  });
  return {integers, scales};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) {
  library.impl("linear", TORCH_BOX(&linear));
  library.impl("int8_matmul", TORCH_BOX(&int8_sums));
  library.impl("int8_linear", TORCH_BOX(&int8_linear));
  library.impl("int8_linear_shift", TORCH_BOX(&int8_linear_shift));
  library.impl("quantize_rows", TORCH_BOX(&quantize_rows));
}
