// omniloom::softmax and log_softmax on a CPU: which method runs, and how rows and pieces of rows go to threads.
// A long row is always taken in pieces of one size, so that a result does not depend on the number of threads.
#include <math.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <vector>

#include "../dispatch/dispatch.h"
#include "softmax.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"

namespace {

using torch::stable::Tensor;

enum Method : int64_t { AUTOMATIC, STORED, TWO_PASS, THREE_PASS, BARE_EXPONENTIAL, BARE_TRAFFIC, NUM_METHODS };

constexpr int64_t PIECE = 4 * SOFTMAX_BLOCK;
// Rows up to here store exp and scale it, longer ones read twice; benchmarks/kernels/bench_softmax.py shows both.
constexpr int64_t LONGEST_STORED = 1 << 21;
// Outputs from here on do not stay in cache, so stores go past it.
constexpr int64_t STREAMED_FLOATS = 1 << 22;
constexpr int64_t FLOATS_A_TASK = 1 << 15;  // some 5 us of work, a few times what it costs to wake a thread

struct Row {
  const float* from;
  float* to;
  int64_t count;
  bool is_streamed;
  bool is_threaded;

  int64_t num_pieces() const { return (count + PIECE - 1) / PIECE; }

  // Calls task(piece, first, length), by several threads if the row is shared; the last piece first if `is_backwards`.
  template <class Task>
  void each_piece(bool is_backwards, const Task& task) const {
    const int64_t pieces = num_pieces();
    const auto some = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t piece = is_backwards ? pieces - 1 - i : i, first = piece * PIECE;
        task(piece, first, first + PIECE < count ? PIECE : count - first);
      }
    };
    if (is_threaded && pieces > 1) torch::stable::parallel_for(0, pieces, 1, some);
    else some(0, pieces);
  }
};

void stored(const Row& row) {
  std::vector<SoftmaxSum> sums(row.num_pieces());
  row.each_piece(false, [&](int64_t piece, int64_t first, int64_t length) {
    sums[piece] = softmax_store()(row.from + first, row.to + first, length);
  });
  double reference = -INFINITY, total = 0;
  for (const SoftmaxSum& sum : sums) reference = sum.reference > reference ? sum.reference : reference;
  for (const SoftmaxSum& sum : sums) total += sum.sum * exp(sum.reference - reference);
  row.each_piece(true, [&](int64_t piece, int64_t first, int64_t length) {
    double factor = exp(sums[piece].reference - reference) / total;
    if (factor < 0x1p-64) {  // which is not to become a float of fewer digits where results are not
      softmax_scale()(row.to + first, length, 0x1p-64f);
      factor *= 0x1p64;
    }
    softmax_scale()(row.to + first, length, (float)factor);
  });
}

SoftmaxPair pair_of(const Row& row) {
  std::vector<SoftmaxPair> pairs(row.num_pieces());
  row.each_piece(false, [&](int64_t piece, int64_t first, int64_t length) {
    pairs[piece] = softmax_pairs()(row.from + first, length);
  });
  SoftmaxPair all = {0, SOFTMAX_LOWEST, true};
  for (const SoftmaxPair& pair : pairs) {
    all.exponent = pair.exponent > all.exponent ? pair.exponent : all.exponent;
    all.is_safe = all.is_safe && pair.is_safe;
  }
  // A piece that is masked throughout adds nothing, unless all of the row lies near the lowest that pairs can hold.
  all.is_safe = all.is_safe && all.exponent > SOFTMAX_LOWEST + 256;
  if (!all.is_safe) return all;
  for (const SoftmaxPair& pair : pairs) all.mantissa += ldexp(pair.mantissa, pair.exponent - all.exponent);
  int carried;
  all.mantissa = frexp(all.mantissa, &carried);  // so that only results below 2^-126 are lost
  all.exponent += carried;
  return all;
}

SoftmaxSum sum_above_largest(const Row& row) {
  std::vector<float> largest(row.num_pieces());
  std::vector<double> sums(row.num_pieces());
  row.each_piece(false, [&](int64_t piece, int64_t first, int64_t length) {
    largest[piece] = softmax_largest()(row.from + first, length);
  });
  SoftmaxSum all = {0, -INFINITY};
  for (const float found : largest) all.reference = found > all.reference ? found : all.reference;
  row.each_piece(true, [&](int64_t piece, int64_t first, int64_t length) {
    sums[piece] = softmax_sum_above()(row.from + first, length, all.reference);
  });
  for (const double sum : sums) all.sum += sum;
  return all;
}

void three_pass(const Row& row) {
  const SoftmaxSum all = sum_above_largest(row);
  row.each_piece(false, [&](int64_t, int64_t first, int64_t length) {
    softmax_from_largest()(row.from + first, row.to + first, length, all.reference, (float)(1 / all.sum),
                           row.is_streamed);
  });
}

void two_pass(const Row& row) {
  const SoftmaxPair all = pair_of(row);
  if (!all.is_safe) return three_pass(row);
  row.each_piece(true, [&](int64_t, int64_t first, int64_t length) {
    softmax_from_pair()(row.from + first, row.to + first, length, all.exponent, (float)(1 / all.mantissa),
                        row.is_streamed);
  });
}

void log_softmax_row(const Row& row) {
  const SoftmaxPair pair = pair_of(row);
  SoftmaxSum all = {pair.mantissa, (float)(pair.exponent * M_LN2)};
  double rest = log(pair.mantissa) + (pair.exponent * M_LN2 - all.reference);
  if (!pair.is_safe) {
    all = sum_above_largest(row);
    rest = log(all.sum);
  }
  row.each_piece(true, [&](int64_t, int64_t first, int64_t length) {
    log_softmax_write()(row.from + first, row.to + first, length, all.reference, (float)rest, row.is_streamed);
  });
}

void softmax_row(const Row& row, int64_t method) {
  if (method == AUTOMATIC) method = row.count <= LONGEST_STORED ? STORED : TWO_PASS;
  if (method == STORED) stored(row);
  else if (method == TWO_PASS) two_pass(row);
  else if (method == THREE_PASS) three_pass(row);
  else if (method == BARE_EXPONENTIAL) softmax_bare_exponential()(row.from, row.to, row.count);
  else softmax_bare_traffic()(row.from, row.to, row.count);
}

struct Rows {
  Row first;
  int64_t num_rows;

  template <class Each>
  void each(const Each& each) const {
    Row row = first;
    for (int64_t i = 0; i < num_rows; ++i, row.from += row.count, row.to += row.count) each(row);
  }
};

// Rows of a piece or less go to one kernel together, which scales each while it takes exp of the next.
void softmax_of(const Rows& rows, int64_t method) {
  const Row& first = rows.first;
  if (first.count <= PIECE && (method == AUTOMATIC || method == STORED))
    softmax_rows()(first.from, first.to, first.count, rows.num_rows);
  else rows.each([&](const Row& row) { softmax_row(row, method); });
}

void log_softmax_of(const Rows& rows) { rows.each(log_softmax_row); }

// Rows over threads, some at a time; where there are fewer rows than threads, pieces of each.
template <class Some>
void over_rows(const Tensor& input, const Tensor& out, const Some& take) {
  const auto ready = [](const Tensor& tensor) {
    return tensor.scalar_type() == torch::headeronly::ScalarType::Float && tensor.is_contiguous();
  };
  STD_TORCH_CHECK(ready(input) && ready(out), "softmax: input and out must be contiguous float32");
  STD_TORCH_CHECK(input.dim() > 0 && input.numel() == out.numel(), "softmax: input and out must be of one shape");
  const int64_t count = input.size(-1), num_rows = count ? input.numel() / count : 0;
  const float* from = static_cast<const float*>(input.const_data_ptr());
  float* to = static_cast<float*>(out.mutable_data_ptr());
  const bool is_streamed = input.numel() >= STREAMED_FLOATS && from != to;
  const bool is_shared = num_rows < torch::stable::get_num_threads();
  const auto some = [&](int64_t begin, int64_t end) {
    take(Rows{{from + begin * count, to + begin * count, count, is_streamed, is_shared}, end - begin});
  };
  if (is_shared) some(0, num_rows);
  else torch::stable::parallel_for(0, num_rows, FLOATS_A_TASK / (count + 1) + 1, some);
}

void softmax_out(const Tensor& input, const Tensor& out, int64_t method) {
  STD_TORCH_CHECK(method >= 0 && method < NUM_METHODS, "softmax: there is no method ", method);
  over_rows(input, out, [&](const Rows& rows) { softmax_of(rows, method); });
}

void log_softmax_out(const Tensor& input, const Tensor& out) { over_rows(input, out, log_softmax_of); }

// What torch does, for types that have no kernel here.
Tensor torchs(const char* name, const Tensor& input) {
  using torch::headeronly::ScalarType;
  const ScalarType type = input.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Float || type == ScalarType::Double || type == ScalarType::Half ||
                      type == ScalarType::BFloat16,
                  "softmax takes float32, float64, float16 or bfloat16, got ", torch::headeronly::toString(type),
                  "; convert it with .float()");
  const int64_t last = -1;
  const bool is_widened = false;
  StableIValue stack[] = {torch::stable::detail::from(input), torch::stable::detail::from(last),
                          torch::stable::detail::from(is_widened)};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher(name, "", stack, TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

template <class Some>
Tensor whole(const char* name, const Tensor& input, const Some& take) {
  const Tensor rows = torch::stable::contiguous(input);
  if (rows.dim() == 0 || rows.scalar_type() != torch::headeronly::ScalarType::Float) return torchs(name, rows);
  const Tensor result = torch::stable::empty_like(rows);
  over_rows(rows, result, take);
  return result;
}

Tensor softmax(const Tensor& input) {
  return whole("aten::_softmax", input, [](const Rows& rows) { softmax_of(rows, AUTOMATIC); });
}

Tensor log_softmax(const Tensor& input) { return whole("aten::_log_softmax", input, log_softmax_of); }

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(omniloom, CPU, library) {
  library.impl("softmax", TORCH_BOX(&softmax));
  library.impl("log_softmax", TORCH_BOX(&log_softmax));
  library.impl("softmax_out", TORCH_BOX(&softmax_out));
  library.impl("log_softmax_out", TORCH_BOX(&log_softmax_out));
}
