// The decode step for ctypes: it takes structures of pointers, which are no arguments of an operator of torch.
#include "../dispatch/dispatch.h"
#include "decode_step.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"

namespace {
constexpr int64_t WIDEST_VECTOR = 16;  // floats: scores are written in whole vectors
}

extern "C" {

// The step as this instruction set has it.
OMNILOOM_PUBLIC OmniloomDecodeStep omniloom_decode_step(int32_t isa) { return decode_step(isa); }

// Floats of workspace for a call of `num_rows` with no position beyond `positions` - 1.
OMNILOOM_PUBLIC int64_t omniloom_workspace_size(const OmniloomDecoder* decoder, int32_t num_rows, int32_t positions) {
  const int64_t query_width = (int64_t)decoder->num_query_heads * decoder->head_width;
  const int64_t row = (3LL + decoder->num_more) * decoder->width + 2 * query_width +
                      2LL * decoder->num_key_heads * decoder->head_width + 2LL * decoder->hidden +
                      decoder->most_digits;
  return row * num_rows + positions + WIDEST_VECTOR;
}
}
