// The network over frames for avx512.
#define VECTOR_BYTES 64
#define OMNILOOM_ISA avx512
#include "body.h"
