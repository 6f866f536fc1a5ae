// What a causal block does beside its products, written once over vectors of VECTOR_BYTES.
#pragma once
#include <math.h>

#include "../convolution/vector.h"
#include "../dispatch/dispatch.h"
#include "causal_block.h"

namespace {

// At most LANES numbers, and zeros after them.
inline Vector some(const float* from, int64_t count) { return count >= LANES ? load(from) : load_part(from, count); }

inline void put(float* to, Vector values, int64_t count) {
  if (count >= LANES)
    store(to, values);
  else
    store_part(to, values, count);
}

void mix(const CausalMix* call) {
  const int64_t width = call->width;
  Vector squares = {};
  for (int64_t at = 0; at < width; at += LANES) {
    const int64_t count = width - at;
    Vector sum = {};
    for (int64_t tap = 0; tap < call->num_taps; ++tap)
      sum += some(call->taps + tap * width + at, count) * some(call->rows[tap] + at, count);
    sum += some(call->rows[call->num_taps - 1] + at, count);
    squares += sum * sum;
    put(call->to + at, sum, count);
  }
  float total = 0;
  for (int lane = 0; lane < LANES; ++lane) total += squares[lane];
  const float scale = 1 / sqrtf(total / (float)width + call->epsilon);
  for (int64_t at = 0; at < width; at += LANES) {
    const int64_t count = width - at;
    put(call->to + at, some(call->to + at, count) * scale * some(call->norm + at, count), count);
  }
}

// Between `low` and `high`, by the logistic function.
void bound(const CausalBound* call) {
  for (int64_t at = 0; at < call->count; at += LANES) {
    const int64_t count = call->count - at;
    const Vector place = logistic((some(call->from + at, count) - call->middle) / call->reach);
    put(call->to + at, call->low + (call->high - call->low) * place, count);
  }
}

void add(const float* from, int64_t count, float* to) {
  for (int64_t at = 0; at < count; at += LANES) put(to + at, some(to + at, count - at) + some(from + at, count - at), count - at);
}

}  // namespace

OMNILOOM_KERNEL(causal_mix, CausalMixKernel, mix)
OMNILOOM_KERNEL(causal_add, CausalAddKernel, add)
OMNILOOM_KERNEL(causal_bound, CausalBoundKernel, bound)
