// The decode step for any processor: vectors of 16 bytes, which the compiler maps to what the baseline has.
#define VECTOR_BYTES 16
#define TILE_INPUTS 2
#define ROUNDED_INPUTS 0
#define OMNILOOM_ISA portable
#include "body.h"
