// The decode step that rounds inputs to bfloat16, for processors that multiply pairs of them (AVX512_BF16).
#define VECTOR_BYTES 64
#define TILE_INPUTS 6
#define ROUNDED_INPUTS 1
#define OMNILOOM_ISA avx512_bf16
#include "body.h"
