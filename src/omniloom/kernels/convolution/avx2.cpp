// Convolution for avx2: 16 registers hold 12 accumulators.
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define OMNILOOM_ISA avx2
#include "body.h"
