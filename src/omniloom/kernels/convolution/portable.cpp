// Convolution for portable.
#define VECTOR_BYTES 16
#define TILE_ROWS 6
#define OMNILOOM_ISA portable
#include "body.h"
