// The network over frames, written once over vectors of VECTOR_BYTES.
#pragma once
#include <math.h>
#include <string.h>

#include "../dispatch/dispatch.h"
#include "frame_network.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 8, NUM_SUMS = FRAME_PANEL / LANES < 4 ? FRAME_PANEL / LANES : 4;
typedef double Vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t Integers __attribute__((vector_size(VECTOR_BYTES)));
typedef double Loose __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef float Narrow __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4), may_alias));

inline Vector load(const double* from) { return *(const Loose*)from; }
inline Vector load(const float* from) { return __builtin_convertvector(*(const Narrow*)from, Vector); }
inline void store(double* to, Vector value) { *(Loose*)to = value; }

// Within 2 units in the last place, for x clamped to [-700, 700]: 2^n times Taylor's polynomial over [-ln 2 / 2, ln 2 / 2].
inline Vector exponential(Vector x) {
  const double shift = 6755399441055744.0;  // 1.5 * 2^52: what is added to it is rounded to an integer
  x = x < -700.0 ? Vector{} - 700.0 : x;
  x = x > 700.0 ? Vector{} + 700.0 : x;
  const Vector shifted = x * 1.4426950408889634 + shift, power = shifted - shift;
  const Vector rest = (x - power * 0.693147180369123816490) - power * 1.90821492927058770002e-10;
  Vector sum = Vector{} + 1.0 / 6227020800;
  sum = sum * rest + 1.0 / 479001600;
  sum = sum * rest + 1.0 / 39916800;
  sum = sum * rest + 1.0 / 3628800;
  sum = sum * rest + 1.0 / 362880;
  sum = sum * rest + 1.0 / 40320;
  sum = sum * rest + 1.0 / 5040;
  sum = sum * rest + 1.0 / 720;
  sum = sum * rest + 1.0 / 120;
  sum = sum * rest + 1.0 / 24;
  sum = sum * rest + 1.0 / 6;
  sum = sum * rest + 0.5;
  sum = sum * rest + 1.0;
  sum = sum * rest + 1.0;
  return sum * (Vector)(((Integers)shifted << 52) + ((int64_t)1023 << 52));
}

// GELU in the form of tanh: (1 + tanh z) / 2 is the logistic function of 2 z.
void activate(double* row, int64_t count) {
  for (int64_t at = 0; at < count; at += LANES) {
    const Vector x = load(row + at);
    store(row + at, x / (1.0 + exponential(-1.5957691216057308 * (x + 0.044715 * x * x * x))));
  }
}

// R rows, from_stride apart, times a matrix, plus its bias; results are padded to whole panels.
template <int R>
void multiply(const FrameMatrix& by, const double* from, int64_t from_stride, double* to) {
  const int64_t to_stride = by.padded();
  for (int64_t column = 0; column < by.num_columns; column += FRAME_PANEL)
    for (int part = 0; part < FRAME_PANEL; part += NUM_SUMS * LANES) {
      const float* weights = by.panels + column * by.depth + part;
      Vector sums[R][NUM_SUMS];
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < NUM_SUMS; ++v) sums[r][v] = load(by.bias + column + part + v * LANES);
      for (int64_t k = 0; k < by.depth; ++k, weights += FRAME_PANEL) {
        Vector weight[NUM_SUMS];
        for (int v = 0; v < NUM_SUMS; ++v) weight[v] = load(weights + v * LANES);
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < NUM_SUMS; ++v) sums[r][v] += from[r * from_stride + k] * weight[v];
      }
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < NUM_SUMS; ++v) store(to + r * to_stride + column + part + v * LANES, sums[r][v]);
    }
}

void multiply_rows(const FrameMatrix& by, const double* from, int64_t from_stride, int64_t num_rows, double* to) {
  if (num_rows == FRAME_ROWS) return multiply<FRAME_ROWS>(by, from, from_stride, to);
  for (int64_t row = 0; row < num_rows; ++row) multiply<1>(by, from + row * from_stride, from_stride, to + row * by.padded());
}

// A frame and its tap together, at unit root mean square and times `norm`.
void normalize(const FrameBlock& block, const double* from, int64_t width, double epsilon, double* to) {
  double total = 0;
  for (int64_t at = 0; at < width; ++at) {
    to[at] = from[at] + from[at] * block.tap[at];
    total += to[at] * to[at];
  }
  const double scale = 1 / sqrt(total / (double)width + epsilon);
  for (int64_t at = 0; at < width; ++at) to[at] = to[at] * scale * block.norm[at];
}

void run_network(const FrameCall* call) {
  const int64_t width = call->into.num_columns, padded = call->into.padded(), num_rows = call->num_rows;
  double *const x = call->scratch, *const normed = x + num_rows * padded, *const hidden = normed + num_rows * padded;
  multiply_rows(call->into, call->from, call->into.depth, num_rows, x);
  for (int64_t i = 0; i < call->num_blocks; ++i) {
    const FrameBlock& block = call->blocks[i];
    for (int64_t row = 0; row < num_rows; ++row)
      normalize(block, x + row * padded, width, call->epsilon, normed + row * padded);
    multiply_rows(block.widen, normed, padded, num_rows, hidden);
    activate(hidden, num_rows * block.widen.padded());
    multiply_rows(block.narrow, hidden, block.widen.padded(), num_rows, normed);
    for (int64_t at = 0; at < num_rows * padded; ++at) x[at] += normed[at];
  }
  multiply_rows(call->out, x, padded, num_rows, hidden);
  for (int64_t row = 0; row < num_rows; ++row)
    memcpy(call->to + row * call->out.num_columns, hidden + row * call->out.padded(), (size_t)call->out.num_columns * sizeof(double));
}

}  // namespace

OMNILOOM_KERNEL(frame_network, FrameNetworkKernel, run_network)
