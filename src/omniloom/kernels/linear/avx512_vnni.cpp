// Products of uint8 with int8, for processors that multiply four at a time (AVX512_VNNI).
#define VECTOR_BYTES 64
#define OMNILOOM_ISA avx512_vnni
#include "body.h"

OMNILOOM_KERNEL(int8_matmul, LinearTile, panel_of<Int8>)
