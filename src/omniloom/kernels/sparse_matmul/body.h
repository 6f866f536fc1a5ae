// Sparse products over vectors of VECTOR_BYTES, written once for all instruction sets (Elsen et al. 2019, "Fast Sparse
// ConvNets", section 3: columns that lie side by side are the vectors, a weight is one number for all of them).
// The sums of four outputs stay in registers while their entries are read; a panel of inputs stays in the first cache, which
// gives a core of 512 bits one vector a cycle: every other read counts. The weights of four outputs are therefore read at
// once and spread by shuffles, and an entry that is none reads a row of zeros rather than being asked for.
// Tried and rejected: one output at a time, a tenth slower for 1024 by 1024 weights at 90 % zeros: its few entries end in a
// branch that is not foreseen, and in narrow panels every sum waits for the one before.
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../dispatch/dispatch.h"
#include "sparse_matmul.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
constexpr int VECTORS_HELD = VECTOR_BYTES == 64 ? 6 : 2;  // of each of four outputs, in 32 registers or in 16
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef float Half __attribute__((vector_size(VECTOR_BYTES / 2)));  // where a vector is wider than SPARSE_COLUMNS
typedef float Four __attribute__((vector_size(16)));

template <class Vector>
inline Vector load(const float* from) {
  Vector values;
  memcpy(&values, from, sizeof values);
  return values;
}

template <class Vector>
inline Vector fill(float value) {
  return value - Vector{};
}

inline Half lower(Floats values) {
  Half half;
  memcpy(&half, &values, sizeof half);
  return half;
}

// The weights of four outputs in every 128 bits. (All lanes are named below: gcc 12 warns of its own header where none is.)
inline Floats spread(Four weights) {
#if VECTOR_BYTES == 64
  return (Floats)_mm512_maskz_broadcast_f32x4(0xffff, (__m128)weights);
#elif VECTOR_BYTES == 32
  return (Floats)_mm256_set_m128((__m128)weights, (__m128)weights);
#else
  return weights;
#endif
}

inline Floats spread(const float* weights) { return spread(load<Four>(weights)); }

inline Floats spread(const uint16_t* weights) {
  typedef uint16_t Narrow __attribute__((vector_size(8)));
  typedef uint32_t Wide __attribute__((vector_size(16)));
  Narrow bits;
  memcpy(&bits, weights, sizeof bits);
  return spread((Four)(__builtin_convertvector(bits, Wide) << 16));
}

// One of the four, in every lane.
template <int OUTPUT>
inline Floats weight_of(Floats weights) {
#if VECTOR_BYTES == 64
  return (Floats)_mm512_maskz_permute_ps(0xffff, (__m512)weights, OUTPUT * 0x55);
#elif VECTOR_BYTES == 32
  return (Floats)_mm256_permute_ps((__m256)weights, OUTPUT * 0x55);
#else
  return fill<Floats>(weights[OUTPUT]);
#endif
}

// The sums of an output over VECTORS vectors of columns and perhaps half a one more.
template <int VECTORS, bool HAS_HALF>
struct Sums {
  Floats whole[VECTORS > 0 ? VECTORS : 1];
  Half half;

  inline void begin(float value) {
#pragma GCC unroll 6
    for (int v = 0; v < VECTORS; ++v) whole[v] = fill<Floats>(value);
    if (HAS_HALF) half = fill<Half>(value);
  }
  inline void begin(const float* from) {
#pragma GCC unroll 6
    for (int v = 0; v < VECTORS; ++v) whole[v] = load<Floats>(from + v * LANES);
    if (HAS_HALF) half = load<Half>(from + VECTORS * LANES);
  }
  inline void add(Floats weight, const float* inputs) {
#pragma GCC unroll 6
    for (int v = 0; v < VECTORS; ++v) whole[v] += weight * load<Floats>(inputs + v * LANES);
    if (HAS_HALF) half += lower(weight) * load<Half>(inputs + VECTORS * LANES);
  }
  inline void end(float* to) const {
#pragma GCC unroll 6
    for (int v = 0; v < VECTORS; ++v) memcpy(to + v * LANES, &whole[v], sizeof whole[v]);
    if (HAS_HALF) memcpy(to + VECTORS * LANES, &half, sizeof half);
  }
};

alignas(64) const float ZEROS[VECTORS_HELD * LANES] = {};

// One part of a panel of all outputs; BLOCK outputs share their inputs. A panel that lies in the image has no row of zeros.
template <class Value, int BLOCK, int VECTORS, bool HAS_HALF, bool IS_IMAGE>
void part(const SparseEntries* entries, const float* panel, int64_t panel_stride, const float* bias, bool adds, float* out,
          int64_t stride, bool is_far) {
  constexpr int BLOCKS = SPARSE_OUTPUTS / BLOCK;
  const auto output_of = [&](int64_t four, int i) __attribute__((always_inline)) {
    return (int64_t)entries->rows[four * BLOCKS + i / BLOCK] * BLOCK + i % BLOCK;
  };
  for (int64_t four = 0; four < entries->num_fours; ++four) {
    if (is_far && four + 1 < entries->num_fours)
      for (int i = 0; i < SPARSE_OUTPUTS; ++i)
        for (int v = 0; v < VECTORS + HAS_HALF; ++v) __builtin_prefetch(out + output_of(four + 1, i) * stride + v * LANES, 1);
    float* to[SPARSE_OUTPUTS];
    Sums<VECTORS, HAS_HALF> sums[SPARSE_OUTPUTS];
#pragma GCC unroll 4
    for (int i = 0; i < SPARSE_OUTPUTS; ++i) {
      const int64_t output = output_of(four, i);
      to[i] = out + output * stride;
      if (adds) sums[i].begin(to[i]);
      else sums[i].begin(bias ? bias[output] : 0.0f);
    }
    const uint16_t* columns = entries->columns + entries->starts[four] * BLOCKS;
    const Value* values = (const Value*)entries->values + entries->starts[four] * SPARSE_OUTPUTS;
    const Value* const end = (const Value*)entries->values + entries->starts[four + 1] * SPARSE_OUTPUTS;
    const auto input_of = [&](int i) __attribute__((always_inline)) {
      const uint16_t input = columns[i / BLOCK];
      return IS_IMAGE && input >= entries->num_inputs ? ZEROS : panel + input * panel_stride;
    };
    for (; values < end; values += SPARSE_OUTPUTS, columns += BLOCKS) {
      const Floats weights = spread(values);
      sums[0].add(weight_of<0>(weights), input_of(0));
      sums[1].add(weight_of<1>(weights), input_of(1));
      sums[2].add(weight_of<2>(weights), input_of(2));
      sums[3].add(weight_of<3>(weights), input_of(3));
    }
#pragma GCC unroll 4
    for (int i = 0; i < SPARSE_OUTPUTS; ++i) sums[i].end(to[i]);
  }
}

// The widest parts that the registers hold, then what is left.
template <class Value, int BLOCK, int VECTORS, bool IS_IMAGE>
inline void parts(const SparseEntries* entries, const float* panel, int64_t panel_stride, int64_t left, const float* bias,
                  bool adds, float* out, int64_t stride, bool is_far) {
  constexpr bool MAY_HAVE_HALF = LANES > SPARSE_COLUMNS && VECTORS < VECTORS_HELD;
  for (; left >= VECTORS * LANES && left > 0; left -= VECTORS * LANES, panel += VECTORS * LANES, out += VECTORS * LANES) {
    if constexpr (MAY_HAVE_HALF) {
      if (left > VECTORS * LANES)
        return part<Value, BLOCK, VECTORS, true, IS_IMAGE>(entries, panel, panel_stride, bias, adds, out, stride, is_far);
    }
    if constexpr (VECTORS > 0)
      part<Value, BLOCK, VECTORS, false, IS_IMAGE>(entries, panel, panel_stride, bias, adds, out, stride, is_far);
  }
  if constexpr (VECTORS > (LANES > SPARSE_COLUMNS ? 0 : 1)) {
    if (left > 0)
      parts<Value, BLOCK, VECTORS - 1, IS_IMAGE>(entries, panel, panel_stride, left, bias, adds, out, stride, is_far);
  }
}

template <class Value, int BLOCK>
void whole(const SparseEntries* entries, const float* panel, int64_t panel_stride, int64_t width, const float* bias, bool adds,
           float* out, int64_t stride, bool is_far) {
  const auto run = entries->num_inputs ? parts<Value, BLOCK, VECTORS_HELD, true> : parts<Value, BLOCK, VECTORS_HELD, false>;
  run(entries, panel, panel_stride, width, bias, adds, out, stride, is_far);
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
