// The decode step for AVX2 with FMA.
#define VECTOR_BYTES 32
#define TILE_INPUTS 3
#define ROUNDED_INPUTS 0
#define OMNILOOM_ISA avx2
#include "body.h"
