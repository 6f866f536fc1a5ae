// The table of instruction sets, best first, and which of them this processor can run.
#include <string.h>

#include "decode_step.h"

namespace {

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && has_avx2();
}
#endif

struct Entry {
  const char* name;
  bool (*is_supported)();
  OmniloomDecodeStep step;
};

const Entry TABLE[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, omniloom_decode_step_avx512},
    {"avx2", has_avx2, omniloom_decode_step_avx2},
#endif
    {"portable", always, omniloom_decode_step_portable},
};
constexpr int TABLE_SIZE = sizeof TABLE / sizeof TABLE[0];

}  // namespace

#define PUBLIC __attribute__((visibility("default")))

extern "C" {

// Digest of the sources this library was built from.
PUBLIC const char* omniloom_digest() { return OMNILOOM_DIGEST; }

// The name of entry `index`, best first; null past the end.
PUBLIC const char* omniloom_isa_name(int32_t index) { return index >= 0 && index < TABLE_SIZE ? TABLE[index].name : nullptr; }

PUBLIC int32_t omniloom_isa_is_supported(int32_t index) { return index >= 0 && index < TABLE_SIZE && TABLE[index].is_supported(); }

PUBLIC OmniloomDecodeStep omniloom_decode_step(int32_t index) { return TABLE[index].step; }

// Floats of workspace for a call of `num_rows` with no position beyond `positions` - 1.
PUBLIC int64_t omniloom_workspace_size(const OmniloomDecoder* decoder, int32_t num_rows, int32_t positions) {
  const int64_t query_width = (int64_t)decoder->num_query_heads * decoder->head_width;
  const int64_t row = 2LL * decoder->width + 2 * query_width + 2LL * decoder->num_key_heads * decoder->head_width +
                      2LL * decoder->hidden;
  return row * num_rows + positions;
}
}
