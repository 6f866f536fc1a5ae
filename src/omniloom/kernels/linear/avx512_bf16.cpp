// Products of bfloat16 with bfloat16, for processors that multiply pairs of them (AVX512_BF16).
#define VECTOR_BYTES 64
#define OMNILOOM_ISA avx512_bf16
#include "body.h"

OMNILOOM_KERNEL(linear_bf16_pairs, LinearTile, panel_of<BFloat16Pairs>)
OMNILOOM_KERNEL(linear_int8_pairs, LinearTile, panel_of<Int8AsBFloat16>)
