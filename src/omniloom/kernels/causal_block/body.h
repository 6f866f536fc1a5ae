// What a causal block does beside its products, written once over vectors of VECTOR_BYTES.
#pragma once
#include <math.h>
#include <string.h>

#include "../dispatch/dispatch.h"
#include "causal_block.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
typedef float Vector __attribute__((vector_size(VECTOR_BYTES)));

// The `count` numbers from `from` on, at most LANES, and zeros after them.
inline Vector load(const float* from, int64_t count) {
  Vector values = {};
  if (count >= LANES)
    memcpy(&values, from, sizeof values);
  else
    memcpy(&values, from, (size_t)count * sizeof(float));
  return values;
}

inline void store(float* to, Vector values, int64_t count) {
  if (count >= LANES)
    memcpy(to, &values, sizeof values);
  else
    memcpy(to, &values, (size_t)count * sizeof(float));
}

void mix(const CausalMix* call) {
  const int64_t width = call->width;
  Vector squares = {};
  for (int64_t at = 0; at < width; at += LANES) {
    const int64_t count = width - at;
    Vector sum = {};
    for (int64_t tap = 0; tap < call->num_taps; ++tap)
      sum += load(call->taps + tap * width + at, count) * load(call->rows[tap] + at, count);
    sum += load(call->rows[call->num_taps - 1] + at, count);
    squares += sum * sum;
    store(call->to + at, sum, count);
  }
  float total = 0;
  for (int lane = 0; lane < LANES; ++lane) total += squares[lane];
  const float scale = 1 / sqrtf(total / (float)width + call->epsilon);
  for (int64_t at = 0; at < width; at += LANES) {
    const int64_t count = width - at;
    store(call->to + at, load(call->to + at, count) * scale * load(call->norm + at, count), count);
  }
}

void add(const float* from, int64_t count, float* to) {
  for (int64_t at = 0; at < count; at += LANES) store(to + at, load(to + at, count - at) + load(from + at, count - at), count - at);
}

}  // namespace

OMNILOOM_KERNEL(causal_mix, CausalMixKernel, mix)
OMNILOOM_KERNEL(causal_add, CausalAddKernel, add)
