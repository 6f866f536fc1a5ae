// Sparse products over vectors of VECTOR_BYTES, written once for all instruction sets (Elsen et al. 2019, "Fast Sparse
// ConvNets", section 3: columns that lie side by side are the vectors, a weight is one number for all of them).
// The sums of four outputs stay in registers while their entries are read; a panel of inputs stays in the first cache.
// Tried and rejected: one output at a time, a tenth slower for 1024 by 1024 weights at 90 % zeros: its few entries end in a
// branch that is not foreseen, and in narrow panels every sum waits for the one before.
#include <string.h>

#include "../dispatch/dispatch.h"
#include "sparse_matmul.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
constexpr int VECTORS_HELD = VECTOR_BYTES == 64 ? 6 : 2;  // of each of four outputs, in 32 registers or in 16
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));

inline Floats load(const float* from) {
  Floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

inline Floats fill(float value) { return value - Floats{}; }

inline float widen(const float* from) { return *from; }

inline float widen(const uint16_t* from) {
  const uint32_t bits = (uint32_t)*from << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// VECTORS vectors of columns, from the first of them on, of all outputs; BLOCK outputs share their inputs.
template <class Value, int BLOCK, int VECTORS>
void part(const SparseEntries* entries, const float* panel, int64_t input_stride, const float* bias, bool adds,
          float* out, int64_t stride) {
  alignas(64) static const float zeros[SPARSE_COLUMNS * SPARSE_MAX_WIDTH] = {};
  constexpr int BLOCKS = SPARSE_OUTPUTS / BLOCK;
  const int64_t fill_in = entries->fill;
  for (int64_t four = 0; four < entries->num_fours; ++four) {
    float* to[SPARSE_OUTPUTS];
    Floats sums[SPARSE_OUTPUTS][VECTORS];
#pragma GCC unroll 4
    for (int i = 0; i < SPARSE_OUTPUTS; ++i) {
      const int64_t output = (int64_t)entries->rows[four * BLOCKS + i / BLOCK] * BLOCK + i % BLOCK;
      to[i] = out + output * stride;
#pragma GCC unroll 6
      for (int v = 0; v < VECTORS; ++v) sums[i][v] = adds ? load(to[i] + v * LANES) : fill(bias ? bias[output] : 0.0f);
    }
    const uint16_t* columns = entries->columns + entries->starts[four] * BLOCKS;
    const Value* values = (const Value*)entries->values + entries->starts[four] * SPARSE_OUTPUTS;
    const Value* const end = (const Value*)entries->values + entries->starts[four + 1] * SPARSE_OUTPUTS;
    for (; values < end; values += SPARSE_OUTPUTS, columns += BLOCKS)
#pragma GCC unroll 4
      for (int i = 0; i < SPARSE_OUTPUTS; ++i) {
        const int64_t column = columns[i / BLOCK];
        const float* const inputs = column == fill_in ? zeros : panel + column * input_stride;
        const Floats weight = fill(widen(values + i));
#pragma GCC unroll 6
        for (int v = 0; v < VECTORS; ++v) sums[i][v] += weight * load(inputs + v * LANES);
      }
#pragma GCC unroll 4
    for (int i = 0; i < SPARSE_OUTPUTS; ++i)
#pragma GCC unroll 6
      for (int v = 0; v < VECTORS; ++v) memcpy(to[i] + v * LANES, &sums[i][v], VECTOR_BYTES);
  }
}

// The widest parts that the registers hold, then what is left.
template <class Value, int BLOCK, int VECTORS>
inline void parts(const SparseEntries* entries, const float* panel, int64_t input_stride, int64_t left, const float* bias,
                  bool adds, float* out, int64_t stride) {
  for (; left >= VECTORS * LANES; left -= VECTORS * LANES, panel += VECTORS * LANES, out += VECTORS * LANES)
    part<Value, BLOCK, VECTORS>(entries, panel, input_stride, bias, adds, out, stride);
  if constexpr (VECTORS > 1) {
    if (left > 0) parts<Value, BLOCK, VECTORS - 1>(entries, panel, input_stride, left, bias, adds, out, stride);
  }
}

template <class Value, int BLOCK>
void whole(const SparseEntries* entries, const float* panel, int64_t input_stride, int64_t width, const float* bias, bool adds,
           float* out, int64_t stride) {
  parts<Value, BLOCK, VECTORS_HELD>(entries, panel, input_stride, width, bias, adds, out, stride);
}

uint16_t largest(const uint16_t* columns, int64_t count) {
  typedef uint16_t Places __attribute__((vector_size(VECTOR_BYTES)));
  constexpr int PLACES = VECTOR_BYTES / 2;
  Places most = {};
  int64_t at = 0;
  for (; at + PLACES <= count; at += PLACES) {
    Places next;
    memcpy(&next, columns + at, sizeof next);
    most = next > most ? next : most;
  }
  uint16_t found = 0;
  for (int i = 0; i < PLACES; ++i) found = most[i] > found ? most[i] : found;
  for (; at < count; ++at) found = columns[at] > found ? columns[at] : found;
  return found;
}

}  // namespace

OMNILOOM_KERNEL(sparse_f32_1, SparsePanel, (whole<float, 1>))
OMNILOOM_KERNEL(sparse_f32_2, SparsePanel, (whole<float, 2>))
OMNILOOM_KERNEL(sparse_f32_4, SparsePanel, (whole<float, 4>))
OMNILOOM_KERNEL(sparse_bf16_1, SparsePanel, (whole<uint16_t, 1>))
OMNILOOM_KERNEL(sparse_bf16_2, SparsePanel, (whole<uint16_t, 2>))
OMNILOOM_KERNEL(sparse_bf16_4, SparsePanel, (whole<uint16_t, 4>))
OMNILOOM_KERNEL(sparse_largest, SparseLargest, largest)
