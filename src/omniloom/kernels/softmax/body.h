// Softmax over vectors of VECTOR_BYTES, written once for all instruction sets.
#include <string.h>

#include "../dispatch/dispatch.h"
#include "softmax.h"

namespace {

void softmax_three_pass(const float* from, float* to, int64_t count) {
  float largest = -__builtin_inff();
  for (int64_t i = 0; i < count; ++i) largest = from[i] > largest ? from[i] : largest;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += to[i] = __builtin_expf(from[i] - largest);
  for (int64_t i = 0; i < count; ++i) to[i] = (float)(to[i] / sum);
}

}  // namespace

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"
