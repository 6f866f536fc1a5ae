// The instruction sets by name, which of them this processor runs, and which one is used.
#include "dispatch.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

bool is_supported(int32_t isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == OMNILOOM_AVX2) return avx2;
  if (isa == OMNILOOM_AVX512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
  return isa == OMNILOOM_PORTABLE;
}

int32_t best() {
  int32_t isa = OMNILOOM_NUM_ISAS - 1;
  while (!is_supported(isa)) --isa;
  return isa;
}

}  // namespace

int32_t omniloom_isa = best();

extern "C" {

// Digest of the sources this library was built from.
OMNILOOM_PUBLIC const char* omniloom_digest() { return OMNILOOM_DIGEST; }

// The name of an instruction set, worst first; null past the end.
OMNILOOM_PUBLIC const char* omniloom_isa_name(int32_t isa) {
#if defined(__x86_64__)
  static const char* const names[] = {"portable", "avx2", "avx512"};
#else
  static const char* const names[] = {"portable"};
#endif
  return isa >= 0 && isa < OMNILOOM_NUM_ISAS ? names[isa] : nullptr;
}

OMNILOOM_PUBLIC int32_t omniloom_isa_is_supported(int32_t isa) { return isa >= 0 && isa < OMNILOOM_NUM_ISAS && is_supported(isa); }

OMNILOOM_PUBLIC int32_t omniloom_isa_in_use() { return omniloom_isa; }

// Every operator's calls run this one from now on; it must be supported.
OMNILOOM_PUBLIC void omniloom_use_isa(int32_t isa) { omniloom_isa = isa; }

// Asks for large pages for memory that nothing was written to yet; it is a wish, and elsewhere than on Linux a vain one.
OMNILOOM_PUBLIC void omniloom_prefer_large_pages(void* memory, int64_t num_bytes) {
#if defined(__linux__)
  const uint64_t large = 2 << 20, page = 4096, start = ((uint64_t)memory + page - 1) / page * page;
  const uint64_t end = ((uint64_t)memory + (uint64_t)num_bytes) / page * page;
  if (end > start && end - start >= large) madvise((void*)start, end - start, MADV_HUGEPAGE);
#else
  (void)memory, (void)num_bytes;
#endif
}

// The names of all kernels, one a line: "operator/kernel".
OMNILOOM_PUBLIC const char* omniloom_kernels() {
  return ""
#define KERNEL(name, type) "causal_block/" #name "\n"
#include "../causal_block/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "convolution/" #name "\n"
#include "../convolution/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "decode_step/" #name "\n"
#include "../decode_step/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "frame_network/" #name "\n"
#include "../frame_network/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "linear/" #name "\n"
#include "../linear/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "oscillator/" #name "\n"
#include "../oscillator/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "softmax/" #name "\n"
#include "../softmax/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "softmax_topk/" #name "\n"
#include "../softmax_topk/kernels.inc"
#undef KERNEL
#define KERNEL(name, type) "sparse_matmul/" #name "\n"
#include "../sparse_matmul/kernels.inc"
#undef KERNEL
      ;
}
}
