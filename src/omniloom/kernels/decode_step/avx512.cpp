// The decode step for AVX-512 (F, BW, VL, DQ).
#define VECTOR_BYTES 64
#define TILE_INPUTS 6
#define ROUNDED_INPUTS 0
#define OMNILOOM_ISA avx512
#include "body.h"
