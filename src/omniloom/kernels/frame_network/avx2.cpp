// The network over frames for avx2.
#define VECTOR_BYTES 32
#define OMNILOOM_ISA avx2
#include "body.h"
