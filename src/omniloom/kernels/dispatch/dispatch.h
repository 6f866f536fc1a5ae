// Which instruction set runs, chosen once when the library is loaded and forced by tests.
//
// An operator's kernels.inc lists its kernels, one line each: KERNEL(name, type), where type is a pointer to function.
// Each file of an instruction set defines omniloom_<name>_<isa>. Written in the operator's own file,
// OMNILOOM_TABLE(name, type) declares all of them and makes the table that picks one:
//
//   OMNILOOM_TABLE(softmax_row, SoftmaxRow)
//   ... softmax_row()(from, to, count) ...
//
// An ARM port adds an Isa, its check in dispatch.cpp, and one file an operator.
#pragma once
#include <stdint.h>

#define OMNILOOM_PUBLIC __attribute__((visibility("default")))

// Worst first: a set contains those before it.
enum OmniloomIsa : int32_t {
  OMNILOOM_PORTABLE,
#if defined(__x86_64__)
  OMNILOOM_AVX2,
  OMNILOOM_AVX512,
#endif
  OMNILOOM_NUM_ISAS,
};

// Asks for large pages under memory that nothing was written to yet.
extern "C" OMNILOOM_PUBLIC void omniloom_prefer_large_pages(void* memory, int64_t num_bytes);

extern int32_t omniloom_isa;  // what kernels run now; written only by omniloom_use_isa

#if defined(__x86_64__)
#define OMNILOOM_TABLE(name, type)                                                                                   \
  extern "C" {                                                                                                       \
  extern const type omniloom_##name##_portable;                                                                      \
  extern const type omniloom_##name##_avx2;                                                                          \
  extern const type omniloom_##name##_avx512;                                                                        \
  }                                                                                                                  \
  static inline type name(int32_t isa = omniloom_isa) {                                                              \
    const type entries[] = {omniloom_##name##_portable, omniloom_##name##_avx2, omniloom_##name##_avx512};           \
    return entries[isa];                                                                                             \
  }
#else
#define OMNILOOM_TABLE(name, type)                                \
  extern "C" {                                                    \
  extern const type omniloom_##name##_portable;                   \
  }                                                               \
  static inline type name(int32_t = omniloom_isa) { return omniloom_##name##_portable; }
#endif

// In the file of an instruction set, which defines OMNILOOM_ISA as its name: gives its version of a kernel to the table.
#define OMNILOOM_JOIN_(name, isa) omniloom_##name##_##isa
#define OMNILOOM_JOIN(name, isa) OMNILOOM_JOIN_(name, isa)
#define OMNILOOM_KERNEL(name, type, function) \
  extern "C" {                                \
  extern const type OMNILOOM_JOIN(name, OMNILOOM_ISA); \
  const type OMNILOOM_JOIN(name, OMNILOOM_ISA) = function; \
  }
