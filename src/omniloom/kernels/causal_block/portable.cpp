// The causal block for portable.
#define VECTOR_BYTES 16
#define OMNILOOM_ISA portable
#include "body.h"
