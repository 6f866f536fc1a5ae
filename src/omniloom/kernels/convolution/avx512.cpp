// Convolution for avx512: 32 registers hold 24 accumulators.
#define VECTOR_BYTES 64
#define TILE_ROWS 12
#define OMNILOOM_ISA avx512
#include "body.h"
