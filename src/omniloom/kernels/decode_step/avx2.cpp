// The decode step for AVX2 with FMA.
#define VECTOR_BYTES 32
#define TILE_INPUTS 2
#define DECODE_STEP omniloom_decode_step_avx2
#include "body.h"
