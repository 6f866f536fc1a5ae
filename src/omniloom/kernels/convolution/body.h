// Convolution over vectors of VECTOR_BYTES, TILE_ROWS rows at a time, written once for all instruction sets.
#include "../dispatch/dispatch.h"
#include "depthwise.h"
#include "tile.h"
#include "transpose.h"
#include "winograd.h"

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"
